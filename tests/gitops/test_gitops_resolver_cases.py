"""The cases of the product contract, section 3.2, each by its number, and what follows from them."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from stoa.kernel.errors import Refused
from stoa.repository.variables import Resolver, Variable
from stoa.repository.yaml_source import read


@dataclass(frozen=True)
class Case:
    name: str
    written: str  # the YAML of the value
    gives: Any
    variables: dict[str, str] = field(default_factory=dict)  # each one as YAML

    def __str__(self) -> str:
        return self.name


def variables(**written: str) -> dict[str, Variable]:
    text = "".join(f"{name}: {value}\n" for name, value in written.items())
    if not text:
        return {}
    source = read(text.encode(), "variables.yaml")
    return {
        name: Variable(value, source.file, source.line((name,)), source.written.get((name,)))
        for name, value in source.content.items()
    }


def resolved(written: str, **given: str) -> Any:
    source = read(f"first: 1\nvalue: {written}\n".encode(), "api.yaml")
    resolver = Resolver(variables(**given))
    made = resolver.resolve(source, source.content)
    resolver.finish()
    return made["value"]


def refusal(written: str, **given: str) -> Refused:
    with pytest.raises(Refused) as caught:
        resolved(written, **given)
    return caught.value


NUMBERED = [
    Case("1 a default that is a placeholder", "${A:${B}}", "x", {"B": "x"}),
    Case("2 a placeholder with an unused default", "${A:${B}}", "1", {"A": '"1"', "B": "x"}),
    Case("2 and its number stays a number", "${A:${B}}", 1, {"A": "1", "B": "x"}),
    Case("3 a default with a colon", "${C:a:b}", "a:b"),
    Case("4 a variable in a variable", "${URL}", "https://gateway.example.com",
         {"URL": "https://gateway.${BASE_DOMAIN}", "BASE_DOMAIN": "example.com"}),
    Case("4 through three", "${A}", "1-2-3", {"A": "1-${B}", "B": "2-${C}", "C": "3"}),
    Case("8 lists in lists and values of maps", "[[a, ['${A}']], {b: [{c: '${A}!'}]}]",
         [["a", ["x"]], {"b": [{"c": "x!"}]}], {"A": "x"}),
    Case("8 inside a variable that is a list", "${L}", ["x", ["x!"], {"k": "x"}],
         {"L": "['${A}', ['${A}!'], {k: '${A}'}]", "A": "x"}),
    Case("9 a number as a default", "${N:30}", 30),
    Case("9 a truth as a default", "${B:true}", True),
    Case("9 a nothing as a default", "${B:null}", None),
    Case("9 inside a text it stays text", '"${N:30}s, ${B:true}"', "30s, true"),
    Case("9 inside a text a default stays as it is written", '"v${V:1.10}-${W:null}"', "v1.10-null"),
    Case("12 an empty default", '"${EMPTY:}"', ""),
    Case("12 an empty default in a text", '"a${EMPTY:}b"', "ab"),
    Case("13 a default that is a reference", "${PW:vault:secret/x#k}", "vault:secret/x#k"),
    Case("14 an escape", '"$${X}"', "${X}"),
]  # fmt: skip

FURTHER = [
    Case("a variable's number", "${N}", 30, {"N": "30"}),
    Case("a variable's quoted number stays text", "${N}", "30", {"N": '"30"'}),
    Case("a variable's truth", "${B}", False, {"B": "false"}),
    Case("a variable's nothing", "${B}", None, {"B": "null"}),
    Case("nothing is a value: its default is not used", "${B:x}", None, {"B": "null"}),
    Case("an empty text is a value: its default is not used", '"${B:x}"', "", {"B": '""'}),
    Case("a variable's map", "${M}", {"a": 1}, {"M": "{a: 1}"}),
    Case("a type goes through variables", "${A}", 7, {"A": "${B}", "B": "7"}),
    Case("a type goes through a default", "${A:${B:7}}", 7),
    Case("quoted text goes through a default as text", "${A:${B}}", "1.0", {"B": '"1.0"'}),
    Case("a default made of pieces is text", "${A:3${B}}", "30", {"B": "0"}),
    Case("a truth in a text", '"x${B}"', "xtrue", {"B": "true"}),
    Case("nothing in a text", '"x${B}"', "x", {"B": "null"}),
    Case("a number in a text as its file spells it", '"v${V}"', "v1.10", {"V": "1.10"}),
    Case("also through another variable", '"v${A}"', "v1.10", {"A": "${V}", "V": "1.10"}),
    Case("also when YAML reads it as octal", '"http://x:${P}"', "http://x:0777", {"P": "0777"}),
    Case("two side by side", '"${A}${B}"', "xy", {"A": "x", "B": "y"}),
    Case("an escape in a default", '"${A:$${X}}"', "${X}"),
    Case("an escape in a variable", '"${A}"', "${X}", {"A": "$${X}"}),
    Case("an escape after a placeholder", '"${A}$${B}"', "x${B}", {"A": "x"}),
    Case("a placeholder after an escape", '"$${${A}"', "${x", {"A": "x"}),
    Case("an escape's braces need no partner", '"a$${b"', "a${b"),
    Case("a dollar alone", '"5$ or $5 or $A"', "5$ or $5 or $A"),
    Case("a brace alone", '"a}b{c"', "a}b{c"),
    Case("a path template in a default that is used", '"${U:http://x/{id}/y}"', "http://x/{id}/y"),
    Case("a path template in a default that is not used", '"${U:http://x/{id}/y}"', "http://z", {"U": "http://z"}),
    Case("a default of spaces and signs", '"${A: a, b; $c }"', " a, b; $c "),
    Case("leading zeros are no number", "${A:007}", "007"),
    Case("a signed number", "${A:-5}", -5),
    Case("a fraction", "${A:0.5}", 0.5),
    Case("a missing name in an unused default is not missed", "${A:${GONE}}", "x", {"A": "x"}),
    Case("keys and plain values stay", "{a: 1, b: [true, null, 2.5, x]}", {"a": 1, "b": [True, None, 2.5, "x"]}),
]  # fmt: skip


@pytest.mark.parametrize("case", NUMBERED + FURTHER, ids=str)
def test_resolves(case: Case) -> None:
    made = resolved(case.written, **case.variables)
    assert made == case.gives
    assert type(made) is type(case.gives)


def test_a_circle_is_refused_and_its_chain_printed() -> None:  # case 5
    error = refusal("${A}", A="x${B}", B="${C:1}", C='"${A}"')
    assert (error.code, error.file, error.line) == ("VARIABLE_CYCLE", "variables.yaml", 3)
    assert "A -> B -> C -> A" in error.detail


@pytest.mark.parametrize(
    "given",
    [{"A": "${A}"}, {"A": "x${A}"}, {"A": "${B:${A}}"}, {"A": "['${A}']"}, {"A": "{k: ['${B}']}", "B": "${A}"}],
    ids=str,
)
def test_a_circle_is_found_wherever_it_hides(given: dict[str, str]) -> None:
    assert refusal("${A}", **given).code == "VARIABLE_CYCLE"


def test_a_circle_through_a_default_names_variables_only() -> None:
    assert refusal("${A}", A="${B:${A}}").detail.endswith(": A -> A")


def test_every_missing_name_is_in_one_message_with_file_and_line() -> None:  # case 6
    source = read(b"a: ${ONE}\nb:\n  - x${TWO}\n  - ${THREE:${FOUR}}\nc: ${A}\n", "api.yaml")
    resolver = Resolver(variables(Z="1", A="${FIVE}"))
    resolver.resolve(source, source.content)
    with pytest.raises(Refused) as caught:
        resolver.finish()
    error = caught.value
    assert (error.code, error.file, error.line) == ("VARIABLE_MISSING", "api.yaml", 1)
    places = ["ONE at api.yaml:1", "TWO at api.yaml:3", "FOUR at api.yaml:4", "FIVE at variables.yaml:2"]
    assert error.detail == "variables without a value: " + "; ".join(places)
    assert "${NAME:default}" in str(error.hint)


def test_a_flood_of_missing_names_stays_a_message_one_can_store() -> None:
    written = "[" + ", ".join(f"'${{N{n}}}'" for n in range(5000)) + "]"
    error = refusal(written)
    assert error.detail.endswith("; and 4950 more")
    assert len(error.detail) < 5000


def test_a_reference_is_kept_and_never_looked_up() -> None:  # cases 7 and 16
    assert resolved("${PW}", PW="vault:secret/apim/t/dev/a#k") == "vault:secret/apim/t/dev/a#k"


@pytest.mark.parametrize("block", ["infrastructure", "services", "spec", "metadata"])
def test_placeholders_are_resolved_in_every_block(block: str) -> None:  # case 10
    source = read(f"{block}:\n  a: {{b: '${{A}}'}}\n".encode(), "api.yaml")
    assert Resolver(variables(A="x")).resolve(source, source.content) == {block: {"a": {"b": "x"}}}


BAD_NAMES = [
    "lower_case",
    "Mixed",
    "9A",
    "_A",
    "A-B",
    "A B",
    "",
    " A",
    "A ",
    "É",
    "A\u0660",
    "a:default",
    ":x",
    "A" * 201,
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_a_name_that_is_none_is_refused_not_left_as_text(name: str) -> None:  # case 11
    error = refusal(f'"x ${{{name}}}"')
    assert (error.code, error.file, error.line) == ("VARIABLE_INVALID", "api.yaml", 2)
    assert len(error.detail) < 200


@pytest.mark.parametrize("written", ["${", "${A", "x ${A:b", "${A:${B}", "${A:{}"])
def test_a_placeholder_that_is_not_closed_is_refused_without_its_default(written: str) -> None:
    error = refusal(f"'{written}'", A="1", B="1")
    assert (error.code, error.line) == ("VARIABLE_INVALID", 2)
    assert "hunter2" not in refusal("'${PASSWORD:hunter2'").detail


def test_a_list_cannot_be_part_of_a_text() -> None:
    error = refusal("x ${L}", L="[1, 2]")
    assert (error.code, error.file, error.line) == ("VARIABLE_INVALID", "api.yaml", 2)
    assert "L is a list or a map" in error.detail


def test_the_same_inputs_give_the_same_result_twice() -> None:  # case 15; the digest: test_gitops_definition.py
    source = read(b"a: ['${A:${B}}', '${C}']\n", "api.yaml")
    given = variables(B="x", C="{z: 1, a: 2}")
    assert repr(Resolver(given).resolve(source, source.content)) == repr(
        Resolver(given).resolve(source, source.content)
    )
