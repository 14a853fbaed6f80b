// CloudFront runs this for every request of a site (runtime 2.0). Pages have addresses that the browser app alone
// knows, so each of them is index.html; a file that is missing stays missing, instead of being a page of another type.
function handler(event) {
  var request = event.request;
  if (!/^\/(assets\/.+|[^/]+\.[a-z0-9]+)$/.test(request.uri)) {
    request.uri = "/index.html";
  }
  return request;
}
