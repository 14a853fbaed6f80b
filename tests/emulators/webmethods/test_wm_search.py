"""Search: regular expressions, conditions, projections, counts."""

from typing import Any


def search(kit: Any, name: str, path: str = "/search", **more: Any) -> Any:
    scope = [{"attributeName": "apiName", "keyword": name}]
    return kit.admin.post(path, json={"types": ["api"], "condition": "and", "scope": scope, **more})


def test_the_keyword_is_a_regular_expression_over_the_whole_value(kit: Any) -> None:
    name = kit.api()["apiName"]

    assert [one["apiName"] for one in search(kit, name.replace(".", "[.]")).json()["api"]] == [name]
    assert search(kit, name[:-1]).json()["api"] == []
    assert [one["apiName"] for one in search(kit, f".*{name[-6:]}").json()["api"]] == [name]
    assert search(kit, "(").status_code == 400


def test_an_unescaped_name_finds_too_much(kit: Any) -> None:
    name = kit.api()["apiName"]
    kit.api(name=name.replace(".", "x"))

    assert len(search(kit, name).json()["api"]) == 2


def test_without_condition_it_is_refused(kit: Any) -> None:
    response = kit.admin.post("/search", json={"types": ["api"], "scope": []})

    text = " Mandatory field condition is missing in the input request body"
    assert (response.status_code, response.json()) == (400, {"errorDetails": text})


def test_conditions_are_joined_by_and_or_or(kit: Any) -> None:
    one, other = kit.api()["apiName"], kit.api(active=True)["apiName"]
    rules = [{"attributeName": "apiName", "keyword": one}, {"attributeName": "isActive", "keyword": "true"}]
    body = {"types": ["api"], "scope": rules}

    both = kit.admin.post("/search", json={**body, "condition": "and"}).json()["api"]
    either = {one["apiName"] for one in kit.admin.post("/search", json={**body, "condition": "or"}).json()["api"]}
    assert both == []
    assert {one, other} <= either


def test_the_answer_is_projected_sorted_and_cut(kit: Any) -> None:
    prefix = kit.name()
    for letter in "bca":
        kit.api(name=f"{prefix}-{letter}")

    def found(**more: Any) -> Any:
        fields = {"responseFields": ["apiName"], "sortByField": "apiName", **more}
        return search(kit, f"{prefix}-.*", **fields).json()["api"]

    assert found() == [{"apiName": f"{prefix}-{letter}"} for letter in "abc"]
    assert found(sortOrder="DESC")[0] == {"apiName": f"{prefix}-c"}
    assert found(**{"from": 1, "size": 1}) == [{"apiName": f"{prefix}-b"}]


def test_result_keys_are_lower_or_by_variant_upper_case(kit: Any) -> None:
    name = kit.api()["apiName"]
    with kit.variant(search_keys="upper"):
        assert len(search(kit, name).json()["API"]) == 1


def test_counts_and_aggregations(kit: Any) -> None:
    name = kit.api()["apiName"]

    assert search(kit, name, "/search/_count").json() == {"api": 1}
    assert search(kit, name, "/search/_aggregations").status_code == 400
    assert search(kit, name, "/search/_aggregations", aggregations=[{"name": "a"}]).status_code == 200
