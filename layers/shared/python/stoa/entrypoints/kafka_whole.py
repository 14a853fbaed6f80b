"""A batch of Kafka records -> one flow for all of them; done as a whole, or it comes again as a whole.

For consumers whose effect is per batch and safe to repeat (an object, a bulk request). Their mappings take no partial
answers: whatever the flow raises fails the invocation, and nothing of the batch is committed. A record that the flow
refuses is dead-lettered and does not hold up the others.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from stoa.bootstrap import App, app
from stoa.entrypoints import dead_letters
from stoa.entrypoints.batch import RESERVE_MS, Record
from stoa.entrypoints.schedule import Tick, run_tick
from stoa.kernel import clock, metrics
from stoa.kernel.errors import Refused, Transient
from stoa.kernel.log import log

WAIT_S = 2.0

# Takes the records of an invocation, in order per partition, and returns those that it refuses for ever.
HandleWhole = Callable[[Sequence[Record]], Iterable[tuple[Record, Refused]]]


def kafka_whole(
    function: str, flow: Callable[[App], HandleWhole], *, tick: Callable[[App], Tick] | None = None
) -> Callable[[Record, Any], None]:
    """The handler of a function whose mappings take no partial answers; a scheduled event ticks."""
    handle = cache(lambda: flow(app()))

    def handler(event: Record, context: Any) -> None:
        if tick is not None and "records" not in event:
            return ticked(tick(app()), context)
        records = [r for rs in event["records"].values() for r in sorted(rs, key=lambda r: int(r["offset"]))]
        left, end = list(records), metrics.WAITING
        try:
            for record, error in handle()(records):
                log.error("record.refused", code=error.code, detail=error.where())
                dead_letters.send(app().producer.send, record, f"{function}.{record['topic']}", error, 1)
                metrics.REFUSED.add(topic=record["topic"])
                left.remove(record)
            end = metrics.PROCESSED
        except Transient as error:
            log.warning("batch.waits", system=error.system, detail=error.detail, alarm=error.alarm)
            spare_s = (context.get_remaining_time_in_millis() - RESERVE_MS) / 1000
            wait_s = max(app().settings.scaled(WAIT_S), error.retry_after_s or 0.0)
            clock.sleep(max(0.0, min(wait_s, spare_s)))
            raise
        finally:
            for record in left:
                end.add(topic=record["topic"])
            metrics.flush()

    def ticked(do: Tick, context: Any) -> None:
        try:
            run_tick(function, do, context.get_remaining_time_in_millis)
        finally:
            metrics.flush()

    return handler
