"""A slot comes back whatever ended its invocation."""

from local.runtime.dispatch import Payload
from local.runtime.slots import Slots, Workers
from local.runtime.worker import FunctionSpec

SPEC = FunctionSpec("f", "tests.runtime.functions_under_test:odd")


def test_a_slot_comes_back_when_the_event_could_not_be_made():
    slots = Slots(Workers(SPEC, 1), 1)

    def broken():
        raise MemoryError("no room")

    slots.start(Payload((), {}), broken)
    ended = slots.finished(5)
    assert [str(one.error) for one in ended] == ["not invoked: MemoryError('no room')"]
    assert slots.free == 1
    slots.start(Payload((), {}), lambda: {"do": "echo"})
    assert slots.finished(20)[0].answer == {"do": "echo"}
    slots.close()


def test_a_slot_comes_back_when_no_process_could_be_started(tmp_path):
    slots = Slots(Workers(FunctionSpec("f", SPEC.target, log=tmp_path / "absent" / "f.log"), 1), 1)
    slots.start(Payload((), {}), dict)
    ended = slots.finished(5)
    assert "FileNotFoundError" in str(ended[0].error)
    assert slots.free == 1
    slots.close()
