"""The whole event map as processes: started, killed, started again, and never left behind."""

import json
import socket
import subprocess
import sys
import time

import httpx
import psutil
import pytest

from cdk import wiring
from local.parts.ports import beyond_loopback
from local.runtime.platform import Platform
from local.runtime.worker import ROOT
from tests.runtime.conftest import wait_until

PACKAGE = "tests.runtime.platform_functions"


@pytest.fixture
def platform_of(request):
    made = []

    def make(story=None, **options) -> Platform:
        story = story or request.getfixturevalue("story")
        functions = (
            wiring.Function("front", "answers", http=True),
            wiring.Function("eater", "eats", sources=(wiring.Source(story.topic),), every_s=60),
        )
        environment = {
            "STOA_KAFKA_BOOTSTRAP": story.bootstrap,
            "RUNTIME_LEDGER": str(story.ledger_file),
            "RUNTIME_MODE": str(story.mode_file),
        }
        platform = Platform(
            environment, story.folder / "logs", functions=functions, package=PACKAGE, api_workers=1, **options
        )
        made.append(platform)
        return platform

    yield make
    for platform in made:
        platform.stop()


def tree() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]


def test_everything_in_the_wiring_runs_and_survives_being_killed(platform_of, story):
    platform = platform_of(time_scale=300.0)
    platform.start()
    source = f"eater.{story.topic}"
    assert set(platform.names) == {"front", source, "schedules"}
    seen = httpx.get(f"{platform.api_url}/some/path").json()
    assert seen["rawPath"] == "/some/path"
    story.send("one")
    wait_until(lambda: "one" in str(story.ledger()), "the event source works")
    wait_until(lambda: "Scheduled Event" in str(story.ledger()), "the schedule works")
    assert platform.kill_function("eater") == 1
    story.send("two")
    wait_until(lambda: '"two"' in json.dumps(story.ledger()), "a killed function is started again")
    platform.kill("eater")
    assert platform.alive() == {"front": True, source: False, "schedules": True}
    story.send("three")
    platform.restart("eater")
    wait_until(lambda: '"three"' in json.dumps(story.ledger()), "a killed runner goes on after its restart")
    wait_until(lambda: platform.counters()[source].lag == 0, "no lag")
    platform.kill("front")
    with pytest.raises(httpx.ConnectError):
        httpx.get(platform.api_url)
    platform.restart("front")
    platform.wait_ready()
    assert httpx.get(f"{platform.api_url}/plain").status_code == 200
    assert beyond_loopback([process.pid for process in tree()]) == []
    platform.stop()
    assert platform.alive() == {}


def test_a_blocked_batch_does_not_hold_the_other_partitions(platform_of, wide_story):
    story = wide_story
    story.mode(slow={"stuck": 30})
    platform = platform_of(story)
    platform.start(["eater"])
    story.send("stuck", partition=0)
    source = f"eater.{story.topic}"
    wait_until(lambda: platform.counters()[source].invocations == 1, "the blocked batch is under way")
    story.send("free", partition=1)
    story.expect("free")
    assert "stuck" not in story.values()
    platform.kill("eater")  # to stop it waits five seconds for the batch


def test_only_some_functions_and_several_members_may_run(platform_of, story):
    platform = platform_of(members={"eater": 2})
    with pytest.raises(ValueError, match="unknown functions: nobody"):
        platform.start(["nobody"])
    platform.start(["front"])
    assert platform.names == ("front",)
    with pytest.raises(ValueError, match="no process runs eater"):
        platform.kill("eater")
    platform.start(["eater"], wait=False)
    assert set(platform.names) == {"front", f"eater.{story.topic}", f"eater.{story.topic}#1", "schedules"}
    platform.kill("eater")
    assert [name for name, alive in platform.alive().items() if not alive] == [
        f"eater.{story.topic}",
        f"eater.{story.topic}#1",
    ]


def test_a_member_comes_and_takes_its_part_and_the_others_have_all_when_it_is_gone(platform_of, wide_story):
    story = wide_story
    platform = platform_of(story)
    platform.start(["eater"])
    first = f"eater.{story.topic}"
    second = platform.add_member("eater", 1)
    wait_until(lambda: len(platform.counters()[second].partitions) == 3, "the second member takes its part")
    platform.remove(second)
    assert set(platform.names) == {first, "schedules"}
    wait_until(lambda: len(platform.counters()[first].partitions) == 6, "the first member has all again")


def test_a_port_that_is_taken_is_reported(platform_of):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        platform = platform_of(port=other.getsockname()[1])
        with pytest.raises(RuntimeError, match="is taken"):
            platform.start(["front"])


def test_a_source_that_ends_early_is_reported(platform_of):
    platform = platform_of(members={"eater": 0})
    platform.start(["eater"])
    platform.kill("schedules")
    with pytest.raises(RuntimeError, match="ended early: schedules"):
        platform.wait_ready()


def test_nothing_outlives_a_killed_parent(tmp_path):
    code = f"""
import time
from pathlib import Path
from cdk import wiring
from local.runtime.platform import Platform
functions = (wiring.Function("front", "", http=True), wiring.Function("eater", "", every_s=1))
platform = Platform({{}}, Path({str(tmp_path)!r}), functions=functions, package={PACKAGE!r})
platform.start()
print("started", flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "started\n"
    children = psutil.Process(parent.pid).children(recursive=True)
    assert len(children) >= 3
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while any(_runs(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [child for child in children if _runs(child)]


def _runs(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
