"""What the clock starts. A tick that is lost is not sent again: the next one does what it did not."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.wiring import FUNCTIONS, Function

# functions that run at an hour of the day and not every so many seconds, in UTC
AT: Mapping[str, events.Schedule] = {"nightly_clean_up": events.Schedule.cron(minute="0", hour="2")}


class SchedulesStack(Stack):
    """One rule for each function of cdk/wiring.py that has `every_s`, or an hour in AT."""

    def __init__(
        self, scope: Construct, construct_id: str, *, functions: Mapping[str, lambda_.IFunction], **kwargs: Any
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        for function in FUNCTIONS:
            schedule = _schedule(function)
            if schedule is None:
                continue
            rule = events.Rule(self, function.name, schedule=schedule, description=f"Ticks of {function.name}")
            rule.add_target(targets.LambdaFunction(functions[function.name], retry_attempts=0))


def _schedule(function: Function) -> events.Schedule | None:
    if function.name in AT:
        return AT[function.name]
    return events.Schedule.rate(Duration.seconds(function.every_s)) if function.every_s else None
