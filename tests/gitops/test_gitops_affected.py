"""Which APIs a push touches, by the table of docs/gitops.md."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stoa.gitops.model import Affected, Change, Effects, affected

ORDERS = "tenants/tenant-a/apis/orders"
BILLS = "tenants/tenant-a/apis/bills"
SHOP = "tenants/tenant-b/apis/orders"
TREE = [
    "_defaults.yaml", "README.md", "environments/dev/config.yaml", "environments/prod/config.yaml",
    *(f"{ORDERS}/{name}" for name in ("api.yaml", "openapi.yaml", "schemas/a.yaml", "environments/_defaults.yaml",
                                      "environments/dev.yaml", "environments/prod.yaml")),
    *(f"{BILLS}/{name}" for name in ("api.yaml", "swagger.json", "environments/dev.yaml")),
    *(f"{SHOP}/{name}" for name in ("api.yaml", "openapi.yaml", "environments/staging.yaml")),
]  # fmt: skip
ALL = ["tenant-a/bills/dev", "tenant-a/orders/dev", "tenant-a/orders/prod", "tenant-b/orders/staging"]
ORDERS_ALL = ["tenant-a/orders/dev", "tenant-a/orders/prod"]


def named(items: Sequence[Affected], action: str | None = None) -> list[str]:
    return [f"{i.tenant}/{i.api}/{i.environment}" for i in items if action in (None, i.action)]


CHANGED = [
    ("_defaults.yaml", ALL),
    ("environments/dev/config.yaml", ["tenant-a/bills/dev", "tenant-a/orders/dev"]),
    ("environments/prod/config.yaml", ["tenant-a/orders/prod"]),
    ("environments/staging/config.yaml", ["tenant-b/orders/staging"]),
    (f"{ORDERS}/api.yaml", ORDERS_ALL),
    (f"{ORDERS}/openapi.yaml", ORDERS_ALL),
    (f"{ORDERS}/schemas/a.yaml", ORDERS_ALL),
    (f"{ORDERS}/schemas/a\nb.yaml", ORDERS_ALL),
    (f"{ORDERS}/schemas/_defaults.yaml", ORDERS_ALL),
    (f"{ORDERS}/environments/_defaults.yaml", ORDERS_ALL),
    (f"{ORDERS}/environments/dev.yaml", ["tenant-a/orders/dev"]),
    (f"{ORDERS}/environments/prod.yaml", ["tenant-a/orders/prod"]),
    (f"{SHOP}/openapi.yaml", ["tenant-b/orders/staging"]),
    # nobody's
    ("README.md", []),
    ("environments/dev/secrets-refs.yaml", []),
    ("environments/dev/deep/config.yaml", []),
    ("a/_defaults.yaml", []),
    ("tenants/_defaults.yaml", []),
    ("tenants/tenant-a/tenant.yaml", []),
    ("tenants/tenant-a/apis/README.md", []),
    ("copy/" + f"{ORDERS}/api.yaml", []),
    ("/" + f"{ORDERS}/api.yaml", []),
    ("./" + f"{ORDERS}/api.yaml", []),
    ("../" + f"{ORDERS}/api.yaml", []),
    ("tenants//apis/orders/api.yaml", []),
    ("Tenants/tenant-a/apis/orders/api.yaml", []),
    ("requests/prod/2026/01/x.yaml", []),
    ("", []),
]


@pytest.mark.parametrize(("path", "touched"), CHANGED, ids=[path or "no path" for path, _ in CHANGED])
def test_a_changed_file_deploys(path: str, touched: list[str]) -> None:
    found = affected([Change(path)], TREE)
    assert named(found.items, "deploy") == named(found.items) == touched
    assert found.refused == ()


REMOVED = [
    ("one environment's file", [f"{ORDERS}/environments/prod.yaml"], [], ["tenant-a/orders/prod"]),
    ("api.yaml only", [f"{BILLS}/api.yaml"], [],
     ["tenant-a/bills/dev", "tenant-a/bills/prod", "tenant-a/bills/staging"]),
    ("the whole API", [p for p in TREE if p.startswith(BILLS)], [],
     ["tenant-a/bills/dev", "tenant-a/bills/prod", "tenant-a/bills/staging"]),
    ("another file of the API", [f"{ORDERS}/schemas/a.yaml"], ORDERS_ALL, []),
    ("the API's defaults", [f"{ORDERS}/environments/_defaults.yaml"], ORDERS_ALL, []),
    ("the root's defaults", ["_defaults.yaml"], ALL, []),
    ("an environment's config", ["environments/prod/config.yaml"], ["tenant-a/orders/prod"], []),
    ("a file of nobody", ["README.md"], [], []),
]  # fmt: skip


@pytest.mark.parametrize(("paths", "deployed", "taken_off"), [r[1:] for r in REMOVED], ids=[r[0] for r in REMOVED])
def test_a_removed_file(paths: list[str], deployed: list[str], taken_off: list[str]) -> None:
    found = affected([Change(path, removed=True) for path in paths], set(TREE) - set(paths))
    assert (named(found.items, "deploy"), named(found.items, "undeploy")) == (deployed, taken_off)


def test_a_renamed_api_is_taken_off_under_its_old_name_and_deployed_under_the_new() -> None:
    old = [path for path in TREE if path.startswith(BILLS)]
    new = [path.replace("/bills/", "/invoices/") for path in old]
    changes = [*(Change(path, removed=True) for path in old), *(Change(path) for path in new)]
    found = affected(changes, (set(TREE) - set(old)) | set(new))
    assert named(found.items, "deploy") == ["tenant-a/invoices/dev"]
    assert "tenant-a/bills/dev" in named(found.items, "undeploy")


def test_a_file_moved_inside_its_api_deploys_it() -> None:
    tree = (set(TREE) - {f"{ORDERS}/schemas/a.yaml"}) | {f"{ORDERS}/schemas/b.yaml"}
    changes = [Change(f"{ORDERS}/schemas/a.yaml", removed=True), Change(f"{ORDERS}/schemas/b.yaml")]
    assert named(affected(changes, tree).items, "deploy") == ORDERS_ALL


def test_a_file_removed_and_made_again_counts_as_there() -> None:
    path = f"{ORDERS}/environments/dev.yaml"
    assert named(affected([Change(path, removed=True), Change(path)], TREE).items, "deploy") == ["tenant-a/orders/dev"]


def test_only_the_environments_own_file_means_that_environment() -> None:
    found = affected([Change("_defaults.yaml"), Change(f"{ORDERS}/environments/prod.yaml")], TREE)
    assert [item.own_file for item in found.items] == [False, False, True, False]


BAD = [
    f"{prefix}/environments/dev.yaml"
    for prefix in (
        "tenants/../apis/orders", "tenants/tenant-a/apis/..", "tenants/./apis/orders", "tenants/tenant-a/apis/.",
        "tenants/Tenant/apis/orders", "tenants/tenant-a/apis/orders ", "tenants/tenant-a/apis/a\nb",
        "tenants/tenant-a/apis/orders\n", "tenants/tenant_a/apis/x", "tenants/-a/apis/x", "tenants/a-/apis/x",
        "tenants/tenant-a/apis/é", "tenants/tenant-a/apis/" + "a" * 64, "tenants/%2e%2e/apis/x", "tenants/a\\b/apis/x",
    )
] + [f"{ORDERS}/environments/{name}.yaml" for name in ("qa", "DEV", "production", "..", "dev ", "dev\n")]  # fmt: skip


@pytest.mark.parametrize("path", BAD, ids=repr)
def test_a_name_that_is_none_is_refused_and_the_rest_goes_on(path: str) -> None:
    tree = {*TREE, path, path.rpartition("/environments/")[0] + "/api.yaml"}
    found = affected([Change(path), Change(f"{BILLS}/api.yaml")], tree)
    assert named(found.items) == ["tenant-a/bills/dev"]
    assert [(r["code"], r["file"]) for r in found.refused] == [("NAME_INVALID", path)]


@pytest.mark.parametrize("path", [f"{ORDERS}/environments/{name}.yaml" for name in ("DEV", "qa")])
def test_only_the_file_with_the_bad_name_is_blamed(path: str) -> None:
    tree = {*TREE, path}
    found = affected([Change(file) for file in sorted(tree)], tree)
    assert named(found.items) == ALL
    assert [(r["code"], r["file"]) for r in found.refused] == [("NAME_INVALID", path)]
    for others in ([f"{ORDERS}/openapi.yaml"], ["_defaults.yaml", f"{ORDERS}/api.yaml"]):
        assert affected([Change(file) for file in others], tree).refused == ()
    api, alone = f"{SHOP}2/api.yaml", path.replace(ORDERS, f"{SHOP}2")
    for file in (api, alone):
        assert [r["file"] for r in affected([Change(file)], {api, alone}).refused] == [alone]


@pytest.mark.parametrize("path", BAD, ids=repr)
def test_removing_a_bad_name_is_no_fault(path: str) -> None:
    assert affected([Change(path, removed=True)], TREE) == Effects((), ())


def told(changes: Sequence[Change], tree: set[str]) -> list[tuple[str, str]]:
    found = affected(changes, tree)
    assert all(fault["hint"] and fault["detail"] for fault in found.refused)
    return [(fault["code"], fault["file"].removeprefix(f"{BILLS}/")) for fault in found.refused]


NO_API = ("API_FILE_MISSING", "api.yaml")
NO_DEV = ("ENVIRONMENT_FILE_MISSING", "environments/dev.yaml")
NONE_AT_ALL = ("ENVIRONMENT_FILE_MISSING", "environments/<environment>.yaml")
# what the folder of the API holds, what was added to it, what is told
SLIPS = [
    ("api.yml", ["api.yml", "openapi.yaml", "environments/dev.yaml"], None, [NO_API]),
    ("API.yaml", ["API.yaml", "openapi.yaml", "environments/dev.yaml"], None, [NO_API]),
    ("no api.yaml", ["openapi.yaml", "environments/dev.yaml"], "openapi.yaml", [NO_API]),
    ("no api.yaml, an environment added", ["environments/dev.yaml"], "environments/dev.yaml", [NO_API]),
    ("no environment", ["api.yaml", "openapi.yaml"], None, [NONE_AT_ALL]),
    ("only defaults", ["api.yaml", "openapi.yaml", "environments/_defaults.yaml"], None, [NONE_AT_ALL]),
    ("enviroments", ["api.yaml", "openapi.yaml", "enviroments/dev.yaml"], None, [NONE_AT_ALL]),
    ("dev.yml alone", ["api.yaml", "openapi.yaml", "environments/dev.yml"], None, [NONE_AT_ALL]),
    ("dev.yml beside prod", ["api.yaml", "environments/dev.yml", "environments/prod.yaml"], "environments/dev.yml",
     [NO_DEV]),
    ("nothing but a document", ["openapi.yaml"], None, [NONE_AT_ALL]),
]  # fmt: skip


@pytest.mark.parametrize(("files", "added", "codes"), [s[1:] for s in SLIPS], ids=[s[0] for s in SLIPS])
def test_a_slip_takes_nothing_off_and_is_told(
    files: list[str], added: str | None, codes: list[tuple[str, str]]
) -> None:
    tree = {f"{BILLS}/{name}" for name in files}
    changes = [Change(f"{BILLS}/{name}") for name in ([added] if added else files)]
    assert named(affected(changes, tree).items, "undeploy") == []
    assert told(changes, tree) == codes


def test_a_tenant_of_another_project_is_left_out_with_its_folder_and_what_to_do() -> None:
    item = affected([Change(f"{BILLS}/api.yaml")], TREE).items[0].left_out("TENANT_NOT_REGISTERED", "why")
    assert (item["code"], item["detail"], item["file"]) == ("TENANT_NOT_REGISTERED", "why", BILLS)
    assert item["hint"]


RENAMES = [
    ("api.yaml", "api.yml", NO_API), ("api.yaml", "Api.yaml", NO_API), ("api.yaml", "api.json", NO_API),
    ("environments/dev.yaml", "environments/dev.yml", NO_DEV), ("environments/dev.yaml", "env/dev.yaml", NO_DEV),
    ("environments/dev.yaml", "Environments/Dev.yaml", NO_DEV),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "told_"), RENAMES)
def test_a_rename_by_mistake_does_not_end_the_api(old: str, new: str, told_: tuple[str, str]) -> None:
    tree = {*TREE, f"{BILLS}/{new}"} - {f"{BILLS}/{old}"}
    changes = [Change(f"{BILLS}/{old}", removed=True), Change(f"{BILLS}/{new}")]
    assert affected(changes, tree).items == ()
    assert told_ in told(changes, tree)
    (first, *_) = affected(changes, tree).refused
    assert f"rename {new} to " in first["hint"]


# a file of variables that nobody would read, and the name it should have
UNREAD = [
    ("_defaults.yml", "_defaults.yaml"), ("_default.yaml", "_defaults.yaml"), ("_Defaults.json", "_defaults.yaml"),
    ("environments/qa/config.yaml", "dev, staging, prod"), ("environments/a\nb/config.yml", "dev, staging, prod"),
    ("environments/dev/config.yml", "environments/dev/config.yaml"),
    ("enviroments/Dev/config.yaml", "environments/dev/config.yaml"),
    (f"{BILLS}/environments/_defaults.yml", "environments/_defaults.yaml"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "meant"), UNREAD)
def test_a_file_of_variables_under_a_name_that_is_not_read_is_told(path: str, meant: str) -> None:
    tree = {*TREE, path}
    (fault,) = affected([Change(path)], tree).refused
    assert (fault["code"], fault["file"]) == ("NAME_INVALID", path)
    assert fault["detail"]
    assert meant in fault["hint"]
    assert affected([Change(path, removed=True)], tree - {path}).refused == ()
    assert (
        affected([Change(file) for file in sorted({*TREE, "defaults.json", "envoy/qa/config.yaml"})], TREE).refused
        == ()
    )


def test_a_removed_api_yaml_ends_the_api_whatever_else_was_added() -> None:
    tree = {*TREE, f"{BILLS}/notes.yaml"} - {f"{BILLS}/api.yaml"}
    changes = [Change(f"{BILLS}/api.yaml", removed=True), Change(f"{BILLS}/notes.yaml")]
    assert named(affected(changes, tree).items, "undeploy")[0] == "tenant-a/bills/dev"


def test_a_path_that_climbs_out_of_its_api_touches_only_that_api() -> None:
    found = affected([Change(f"{BILLS}/../../../tenant-b/apis/orders/environments/staging.yaml")], TREE)
    assert named(found.items) == ["tenant-a/bills/dev"]


def test_sixty_three_characters_are_a_name() -> None:
    path = f"tenants/tenant-a/apis/{'a' * 63}/environments/dev.yaml"
    found = affected([Change(path)], {path, path.replace("environments/dev.yaml", "api.yaml")})
    assert (len(found.items), found.refused) == (1, ())


segments = st.sampled_from(["tenants", "apis", "environments", "tenant-a", "tenant-b", "orders", "..", "X", "dev"])
files_ = st.sampled_from(["api.yaml", "dev.yaml", "prod.yaml", "qa.yaml", "_defaults.yaml", "config.yaml", "a.yaml"])
loose = st.builds(lambda parts, name: "/".join([*parts, name]), st.lists(segments, max_size=5), files_)
placed = st.builds(
    lambda tenant, api, name: f"tenants/{tenant}/apis/{api}/{name}",
    st.sampled_from(["tenant-a", "tenant-b", "Bad"]),
    st.sampled_from(["orders", "bills", ".."]),
    st.sampled_from(["api.yaml", "a.yaml"]) | files_.map("environments/".__add__),
)
paths = st.sampled_from(TREE) | placed | loose
pushes = st.lists(st.builds(Change, paths, st.booleans()), max_size=8)
trees = st.sets(paths, max_size=12) | st.just(set(TREE))


@settings(max_examples=200, deadline=None)
@given(pushes, trees, st.randoms(use_true_random=False))
def test_the_order_of_files_does_not_matter(changes: list[Change], tree: set[str], random: object) -> None:
    shuffled, listed = list(changes), sorted(tree)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    random.shuffle(listed)  # type: ignore[attr-defined]
    assert affected(shuffled, listed) == affected(changes, tree)
    assert affected(changes * 2, tree) == affected(changes, tree)


@settings(max_examples=200, deadline=None)
@given(pushes, pushes, trees)
def test_two_pushes_together_touch_what_each_touches(one: list[Change], two: list[Change], tree: set[str]) -> None:
    parts = [*affected(one, tree).items, *affected(two, tree).items]
    together = affected([*one, *two], tree)
    assert named(together.items) == sorted(set(named(parts)), key=lambda name: name.split("/"))
    for item in together.items:
        same = [p for p in parts if named([p]) == named([item])]
        assert item.action == same[0].action
        assert item.own_file == any(p.own_file for p in same)


@settings(max_examples=200, deadline=None)
@given(pushes, trees)
def test_what_is_deployed_stands_and_what_is_taken_off_does_not(changes: list[Change], tree: set[str]) -> None:
    for item in affected(changes, tree).items:
        folder = f"tenants/{item.tenant}/apis/{item.api}"
        stands = {f"{folder}/api.yaml", f"{folder}/environments/{item.environment}.yaml"} <= tree
        assert (item.action == "deploy") == stands
        assert ".." not in (item.tenant, item.api)
        assert item.environment in ("dev", "staging", "prod")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.builds(Change, st.text(max_size=30), st.booleans()), max_size=4))
def test_any_paths_are_read(changes: list[Change]) -> None:
    affected(changes, [change.path for change in changes])
