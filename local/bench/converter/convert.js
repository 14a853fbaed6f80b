// What the public converter needs for one document, in CPU milliseconds: node convert.js <folder of modules> <file>
const fs = require("fs");
const path = require("path");

const { Converter } = require(path.resolve(process.argv[2], "@apiture/openapi-down-convert"));
const begun = process.cpuUsage();
const converted = new Converter(JSON.parse(fs.readFileSync(process.argv[3], "utf8")), {}).convert();
const text = JSON.stringify(converted);
const used = process.cpuUsage(begun);
if (!text.startsWith('{"openapi":"3.0')) throw new Error("the document was not converted");
console.log((used.user + used.system) / 1000);
