"""What the clock starts. A tick that is lost is not sent again: the next one does what it did not."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.wiring import FUNCTIONS, Function


class SchedulesStack(Stack):
    """One rule for each function of cdk/wiring.py that has ticks."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        functions: Mapping[str, lambda_.IFunction],
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        for function in FUNCTIONS:
            if not function.ticks:
                continue
            description = f"Ticks of {function.name}"
            rule = events.Rule(self, function.name, schedule=_schedule(function), description=description)
            rule.add_target(targets.LambdaFunction(functions[function.name], retry_attempts=0))


def _schedule(function: Function) -> events.Schedule:
    if function.every_s is not None:
        return events.Schedule.rate(Duration.seconds(function.every_s))
    return events.Schedule.cron(minute="0", hour=str(function.daily_at))
