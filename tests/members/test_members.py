"""What a file says of a tenant's members is what Keycloak has, whoever dies when; nobody else is touched."""

import threading
from typing import Any

import pytest

from stoa.kernel.database import Database
from stoa.kernel.errors import Transient
from stoa.kernel.settings import Secret
from stoa.members.flows import CHANGE_MS, Members
from stoa.tenancy.flows import deny_user
from tests.emulators.keycloak.kit import NUMBERS
from tests.members.kit import Desk


@pytest.fixture
def n() -> str:
    """What makes names of a test its own: Keycloak is one for all."""
    return f"{next(NUMBERS)}"


def test_people_get_their_roles_and_who_is_named_no_more_loses_them(desk: Desk, n: str) -> None:
    ann, ben, con = (desk.person(f"{name}{n}") for name in ("ann", "ben", "con"))
    assert desk.push(desk.file(a={"cpi": [f"ann{n}"], "devops": [f"ben{n}"], "viewers": [f"con{n}", f"new{n}"]})) == []
    assert desk.state(desk.a) == ("pending", None, None)
    assert desk.tick() == 3
    assert [desk.standing(who) for who in (ann, ben, con)] == [
        (desk.a, {"tenant-admin"}), (desk.a, {"devops"}), (desk.a, {"viewer"})]  # fmt: skip
    assert desk.state(desk.a) == ("synced", None, None)
    assert desk.verdicts(desk.a)[f"ben{n}"] == ("synced", None)
    assert desk.verdicts(desk.a)[f"new{n}"][0] == "pending"
    assert desk.denied() == set()
    assert desk.tick() == 0, "a second time nothing is done"
    new = desk.person(f"new{n}")
    desk.push(desk.file(a={"cpi": [f"ann{n}"], "viewers": [f"ben{n}", f"new{n}"]}), commit="d" * 40)
    assert desk.tick() == 3
    assert [desk.standing(who) for who in (ann, ben, con, new)] == [
        (desk.a, {"tenant-admin"}), (desk.a, {"viewer"}), (None, set()), (desk.a, {"viewer"})]  # fmt: skip
    assert desk.denied() == {f"sub:{ben}", f"sub:{con}"}, "what they lost is lost at once"
    assert ("gitlab:7", f"members/{desk.a}/{ben}", ["devops"], ["viewer"]) in desk.audits()
    assert ("gitlab:7", f"members/{desk.a}/{con}", ["viewer"], []) in desk.audits()
    assert len(desk.audits()) == 6


def test_what_somebody_changed_by_hand_is_put_right_in_the_platforms_name(desk: Desk, n: str) -> None:
    desk.person(f"ann{n}")
    ben = desk.person(f"ben{n}")
    desk.push(desk.file(a={"cpi": [f"ann{n}"], "viewers": [f"ben{n}"]}))
    desk.tick()
    desk.client.give(ben, {"tenant-admin"})
    assert desk.tick() == 1
    assert desk.standing(ben) == (desk.a, {"viewer"})
    assert desk.audits()[-1] == ("machine:stoa", f"members/{desk.a}/{ben}", ["tenant-admin", "viewer"], ["viewer"])


def test_nobody_outside_of_the_tenant_is_touched(desk: Desk, n: str) -> None:
    desk.person(f"ann{n}", "tenant-admin", desk.a)
    theirs = desk.person(f"bea{n}", "devops", desk.b)
    root = desk.person(f"cat{n}", "cpi-admin")
    buyer = desk.person(f"dan{n}", "consumer", desk.a)
    buyer_and_viewer = desk.person(f"eve{n}", "consumer", desk.a)
    desk.client.give(buyer_and_viewer, {"viewer"})
    unknown = desk.person(f"fay{n}", emailVerified=False)
    gone = desk.person(f"gus{n}", "tenant-admin", desk.a, enabled=False)
    named = {"cpi": [f"ann{n}", f"cat{n}"], "devops": [f"bea{n}"], "viewers": [f"fay{n}", f"gus{n}"]}
    desk.push(desk.file(a=named))
    desk.tick()
    assert desk.standing(theirs) == (desk.b, {"devops"})
    assert desk.standing(root) == (None, {"cpi-admin"})
    assert desk.standing(buyer) == (desk.a, {"consumer"})
    assert desk.standing(buyer_and_viewer) == (desk.a, {"consumer"})
    assert desk.standing(unknown) == (None, set())
    assert desk.standing(gone) == (desk.a, set()), "a closed account keeps no more than the file gives it"
    found = desk.verdicts(desk.a)
    assert {name for name, (state, _) in found.items() if state == "refused"} == {
        f"bea{n}", f"cat{n}", f"fay{n}", f"gus{n}"}  # fmt: skip
    assert desk.b not in str(found), "whose they are is said to nobody"


def test_the_last_administrators_stay_until_another_one_can(desk: Desk, n: str) -> None:
    ann = desk.person(f"ann{n}", "tenant-admin", desk.a)
    desk.push(desk.file(a={"cpi": [f"ben{n}"]}))
    assert desk.tick() == 0
    assert desk.state(desk.a) == ("refused", "IAM_NO_ADMIN", None)
    assert desk.standing(ann) == (desk.a, {"tenant-admin"})
    ben = desk.person(f"ben{n}")
    assert desk.tick() == 2
    assert desk.state(desk.a) == ("synced", None, None)
    assert [desk.standing(who) for who in (ann, ben)] == [(None, set()), (desk.a, {"tenant-admin"})]


def test_eleven_people_are_not_removed_at_once(desk: Desk, n: str) -> None:
    desk.person(f"ann{n}", "tenant-admin", desk.a)
    many = [desk.person(f"p{i}x{n}", "viewer", desk.a) for i in range(11)]
    desk.push(desk.file(a={"cpi": [f"ann{n}"]}))
    assert desk.tick() == 0
    assert desk.state(desk.a) == ("refused", "IAM_TOO_MANY_REMOVED", None)
    assert desk.standing(many[0]) == (desk.a, {"viewer"})
    desk.push(desk.file(a={"cpi": [f"ann{n}"], "viewers": [f"p0x{n}"]}), commit="d" * 40)
    assert desk.tick() == 10


def test_a_newer_file_that_is_not_taken_changes_nothing_and_says_why(desk: Desk, n: str) -> None:
    ann = desk.person(f"ann{n}")
    desk.push(desk.file(a={"cpi": [f"ann{n}"]}))
    desk.tick()
    for files, code in (
        (b"", "YAML_NOT_A_MAPPING"),
        (desk.file(a={"viewers": [f"ann{n}"]}), "IAM_NO_ADMIN"),
        (desk.file(a={"cpi": [f"ann{n}"], "owners": []}), "FILE_INVALID"),
        (desk.file(b={"cpi": [f"ann{n}"]}), "IAM_MISSING"),
        ({}, "IAM_MISSING"),
    ):
        told = desk.push(files, commit="e" * 40)
        assert [(one["tenant"], one["code"]) for one in told if one["tenant"] == desk.a] == [(desk.a, code)]
        assert desk.state(desk.a) == ("synced", None, code)
    desk.tick()
    assert desk.standing(ann) == (desk.a, {"tenant-admin"})
    desk.push(desk.file(a={"cpi": [f"ann{n}"]}), commit="f" * 40)
    assert desk.state(desk.a) == ("pending", None, None)


def test_nobody_gives_himself_a_role(desk: Desk, n: str) -> None:
    first = {"cpi": [f"ann{n}"], "viewers": [f"ben{n}"]}
    assert desk.push(desk.file(a=first), people=frozenset({f"ann{n}@stoa.example"})) == [], "the first file has no past"
    raised = desk.file(a={"cpi": [f"ann{n}", f"ben{n}"]})
    for people, code in (
        (frozenset({f"BEN{n}+work@stoa.example".lower()}), "IAM_OWN_RIGHTS"),
        (None, "IAM_AUTHORS_UNKNOWN"),
    ):
        (told,) = desk.push(raised, people=people)
        assert (told["code"], told["tenant"], "@" in told["detail"]) == (code, desk.a, False)
    (told,) = desk.push(raised, people=frozenset({f"ann{n}@stoa.example"}))
    assert told["code"] == "IAM_AUTHORS_UNKNOWN", "until the file says again what was taken"
    assert desk.push(desk.file(a=first)) == []
    assert desk.push(raised, people=frozenset({f"ann{n}@stoa.example"})) == []
    less = desk.file(a={"cpi": [f"ann{n}"], "viewers": [f"ben{n}"]})
    assert desk.push(less, people=frozenset({f"ben{n}@stoa.example"})) == [], "anybody may give up a role"


def test_another_project_does_not_take_the_members_over(desk: Desk, n: str) -> None:
    desk.rows("INSERT INTO project_tenants (project_id, tenant) VALUES (2, %s)", desk.a)
    desk.push(desk.file(a={"cpi": [f"ann{n}"]}))
    (told,) = desk.push(desk.file(a={"cpi": [f"ben{n}"]}), project=2)
    assert (told["code"], told["tenant"]) == ("IAM_ELSEWHERE", desk.a)
    assert f"ann{n}" in desk.verdicts(desk.a)
    desk.rows("DELETE FROM project_tenants WHERE project_id = 1 AND tenant = %s", desk.a)
    assert desk.push(desk.file(a={"cpi": [f"ben{n}"]}), project=2) == [], (
        "a project that may not touch it decides nothing"
    )


@pytest.mark.parametrize("call", ["POST .*role-mappings", "PUT .*/users/", "DELETE .*role-mappings"])
@pytest.mark.parametrize("mode", ["drop", "fail"])
def test_a_call_whose_answer_never_came_is_found_and_audited_once(desk: Desk, n: str, call: str, mode: str) -> None:
    desk.person(f"ann{n}", "tenant-admin", desk.a)
    ben, con = desk.person(f"ben{n}"), desk.person(f"con{n}", "devops", desk.a)
    desk.push(desk.file(a={"cpi": [f"ann{n}"], "viewers": [f"ben{n}", f"con{n}"]}))
    desk.fault(mode=mode, path=call, count=1, status=503)
    with pytest.raises(Transient):
        desk.tick()
    assert desk.state(desk.a)[0] == "pending"
    desk.tick()
    assert [desk.standing(who) for who in (ben, con)] == [(desk.a, {"viewer"}), (desk.a, {"viewer"})]
    audits = desk.audits()
    for who, old in ((ben, set()), (con, {"devops"})):
        steps = [(set(before), set(after)) for _, resource, before, after in audits if resource.endswith(who)]
        assert (steps[0][0], steps[-1][1]) == (old, {"viewer"})
        assert all(left[1] == right[0] for left, right in zip(steps, steps[1:], strict=False)), (
            "no step is lost or twice"
        )
    assert desk.denied() == {f"sub:{con}"}
    assert desk.rows("SELECT * FROM member_changes", tenant=desk.a) == []


def test_who_dies_between_the_call_and_its_record_loses_nothing(
    desk: Desk, n: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.person(f"ann{n}", "tenant-admin", desk.a)
    ben = desk.person(f"ben{n}", "devops", desk.a)
    desk.push(desk.file(a={"cpi": [f"ann{n}"]}))
    with monkeypatch.context() as killed:
        killed.setattr(Members, "_record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            desk.tick()
    assert desk.standing(ben) == (None, set())
    assert (desk.audits(), desk.denied()) == ([], set())
    assert desk.members.sync() == 0, "the lease of the dead one still runs"
    desk.tick()
    assert desk.audits() == [("gitlab:7", f"members/{desk.a}/{ben}", ["devops"], [])]
    assert desk.denied() == {f"sub:{ben}"}
    assert desk.state(desk.a)[0] == "synced"


def test_while_keycloak_is_down_nothing_is_lost_and_ticks_wait(desk: Desk, n: str) -> None:
    ann = desk.person(f"ann{n}")
    desk.push(desk.file(a={"cpi": [f"ann{n}"]}, b={"cpi": [f"bob{n}"]}))
    for mode in ("down", "fail"):
        desk.fault(mode=mode, status=429)
        with pytest.raises(Transient) as caught:
            desk.tick()
        assert caught.value.system == "keycloak"
    desk.fault(mode="ok")
    assert desk.tick() == 1
    assert desk.standing(ann) == (desk.a, {"tenant-admin"})


def test_a_tick_begins_no_change_that_its_function_could_not_end(desk: Desk, n: str) -> None:
    people = [desk.person(f"{name}{n}") for name in ("ann", "ben")]
    desk.push(desk.file(a={"cpi": [f"ann{n}"], "viewers": [f"ben{n}"]}))
    desk.due()
    left = iter([CHANGE_MS] * 4 + [CHANGE_MS - 1] * 9)  # the tenant, two users, one change
    with pytest.raises(Transient, match="1 of 2 changes"):
        desk.members.sync(lambda: next(left))
    assert [desk.standing(who)[0] for who in people].count(desk.a) == 1
    assert desk.state(desk.a)[0] == "pending"
    desk.tick()
    assert [desk.standing(who)[0] for who in people] == [desk.a] * 2
    assert desk.state(desk.a)[0] == "synced"


def test_of_two_ticks_at_once_one_works(desk: Desk, n: str, database_url: str) -> None:
    for name in ("ann", "ben", "con"):
        desk.person(f"{name}{n}")
    desk.push(desk.file(a={"cpi": [f"ann{n}"], "viewers": [f"ben{n}"]}, b={"cpi": [f"con{n}"]}))
    desk.due()
    done: list[int] = []

    def tick() -> None:
        other = Database(Secret(database_url), "stoa_worker")
        done.append(Members(other, lambda _keys: None, lambda: desk.client, deny_user).sync())
        other.close()

    threads = [threading.Thread(target=tick) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(done), len(desk.audits())) == (3, 3)


def test_a_file_that_comes_during_the_work_is_not_overtaken_by_the_older_one(
    desk: Desk, n: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, ben = desk.person(f"ann{n}"), desk.person(f"ben{n}")
    desk.push(desk.file(a={"cpi": [f"ann{n}"], "devops": [f"ben{n}"]}))
    judged: Any = Members._judge
    newer = desk.file(a={"cpi": [f"ann{n}"], "viewers": [f"ben{n}"]})

    def late(*arguments: Any) -> None:
        monkeypatch.setattr(Members, "_judge", judged)
        desk.push(newer, commit="d" * 40)
        judged(*arguments)

    monkeypatch.setattr(Members, "_judge", late)
    desk.tick()
    assert [desk.standing(who) for who in (ann, ben)] == [(desk.a, {"tenant-admin"}), (desk.a, {"viewer"})]
    rows = desk.rows("SELECT state, commit_sha FROM member_syncs WHERE tenant = %s", desk.a)
    assert rows == [{"state": "synced", "commit_sha": "d" * 40}]
