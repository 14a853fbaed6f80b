"""When somebody is called: the same promises as cdk/observability/alerts.yaml keeps, on what CloudWatch has."""

from collections.abc import Iterator, Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_rds as rds

from cdk.stacks.alarms import ABSENT_IS_BAD, BELOW, Rule
from cdk.stacks.signals import counted, mapping
from cdk.stages import StageSettings
from cdk.wiring import FUNCTIONS, Function

BY_NAME = {function.name: function for function in FUNCTIONS}
MINUTE = Duration.minutes(1)
AUDIT_LOG = "audit-log"
MOST_BEHIND = 1000  # records; what a minute brings at the busiest, several times over
GIB = 1024**3
# RDS lets a connection have so many bytes of memory, of which the system takes about a third first
BYTES_PER_CONNECTION = 9_531_392
MEMORY_GIB = {"medium": 4, "large": 8, "xlarge": 16, "2xlarge": 32}


def function_rules(name: str, function: lambda_.IFunction) -> Iterator[Rule]:
    errors, throttles = function.metric_errors(), function.metric_throttles()
    slow = function.metric_duration(statistic="p99")
    limit_ms = BY_NAME[name].timeout_s * 1000 * 0.8
    yield Rule(f"Errors-{name}", f"{name} has failed for 15 minutes.", "a-function-fails", errors, 0, periods=3)
    yield Rule(f"Throttles-{name}", f"{name} is throttled.", "a-function-is-throttled", throttles, 0, periods=2)
    says = f"{name} takes 80 % of the time that it has."
    yield Rule(f"Duration-{name}", says, "a-function-is-slow", slow, limit_ms, periods=3)


def mapping_rules(group: str, source: lambda_.IEventSourceMapping) -> Iterator[Rule]:
    """`group` is `<function>.<topic>`."""
    behind = cloudwatch.MathExpression(
        expression=f"IF((lag > 0 AND FILL(done, 0) == 0) OR lag > {MOST_BEHIND}, 1, 0)",
        using_metrics={
            "lag": mapping("MaxOffsetLag", source, "lag", statistic="Minimum"),
            "done": mapping("CommittedEventCount", source, "done"),
        },
        period=Duration.minutes(5),
        label=f"{group} stands still, or is far behind",
    )
    yield Rule(f"Behind-{group}", f"{group} stands still.", "a-consumer-is-behind", behind, 0)
    dropped = mapping("DroppedEventCount", source, group)
    yield Rule(f"Dropped-{group}", f"{group} dropped records.", "records-were-dropped", dropped, 0)
    polling = mapping("PollingErrorCount", source, group)
    says = f"The event source of {group} does not get to its topic."
    yield Rule(f"Polling-{group}", says, "a-consumer-is-behind", polling, 0, periods=3)


def dead_letter_rules(stage: StageSettings, function: Function) -> Iterator[Rule]:
    for source in function.sources if function.dead_letters else ():
        letters = cloudwatch.MathExpression(
            expression="FILL(refused, 0) + FILL(given_up, 0)",
            using_metrics={
                "refused": counted(stage, "records_refused", function.name, topic=source.topic),
                "given_up": counted(stage, "records_given_up", function.name, topic=source.topic),
            },
            period=Duration.minutes(5),
            label=f"{function.name} {source.topic}",
        )
        says = f"{function.name} wrote dead letters of {source.topic}."
        yield Rule(f"DeadLetters-{function.name}.{source.topic}", says, "dead-letters", letters, 0)


def schedule_rules(stage: StageSettings, function: Function) -> Iterator[Rule]:
    """Of those that only a schedule starts: the others show by their topics that they run. A day that is not over yet
    may be without its tick, so that of the daily ones two in a row say something."""
    if function.daily_at is not None:
        yield Rule(
            f"NotDone-{function.name}",
            f"{function.name} has not done its work for two days.",
            "a-schedule-is-not-done",
            counted(stage, "ticks", function.name, period=Duration.days(1), outcome="done"),
            1,
            periods=2,
            comparison=BELOW,
            missing=ABSENT_IS_BAD,
        )
    if function.every_s and not function.sources:
        yield Rule(
            f"NotDone-{function.name}",
            f"{function.name} has not done its work for 20 minutes.",
            "a-schedule-is-not-done",
            counted(stage, "ticks", function.name, outcome="done"),
            1,
            periods=4,
            comparison=BELOW,
            missing=ABSENT_IS_BAD,
        )


def audit_rules(stage: StageSettings) -> Iterator[Rule]:
    """The way of an audit event is walked once a minute, by a heartbeat."""
    readers = [f.name for f in FUNCTIONS if any(source.topic == AUDIT_LOG for source in f.sources)]
    for name in readers:
        yield Rule(
            f"Heartbeat-{name}",
            f"No heartbeat of the audit log has reached {name} for five minutes.",
            "the-audit-heartbeat-is-lost",
            counted(stage, "audit_records", name, period=MINUTE, kind="heartbeat"),
            1,
            periods=5,
            comparison=BELOW,
            missing=ABSENT_IS_BAD,
        )
    yield Rule(
        "Unsigned",
        "No checkpoint of the audit chain was signed for five minutes.",
        "audit-events-are-not-signed",
        counted(stage, "audit_checkpoints", "events_to_archive"),
        1,
        comparison=BELOW,
        missing=ABSENT_IS_BAD,
    )


def flow_rules(stage: StageSettings) -> Iterator[Rule]:
    """Of the pipeline as a whole; per tenant, GET /v1/deployments says more."""
    oldest = counted(stage, "outbox_age", "outbox_relay", statistic="Maximum", period=MINUTE)
    yield Rule("OutboxStuck", "An event has waited in the outbox for 150 s.", "the-outbox-is-stuck", oldest, 150_000)
    ends = counted(stage, "deployment_duration", "deploy_results_to_status", statistic="p95", status="success")
    yield Rule("DeploymentsSlow", "p95 of deployments is a minute.", "slow-deployments", ends, 60_000, periods=3)
    legs = counted(stage, "launch_latency", "deploy_requests_to_awx", statistic="p95")
    yield Rule("OwnLegsSlow", "p95 from a request to its AWX job is 5 s.", "slow-deployments", legs, 5_000, periods=3)
    failed = counted(
        stage,
        "deployment_duration",
        "deploy_results_to_status",
        statistic="SampleCount",
        period=Duration.hours(1),
        status="failed",
    )
    yield Rule("FailedDeployments", "More than ten failed within an hour.", "failed-deployments", failed, 10)


def database_rules(stage: StageSettings, database: rds.IDatabaseInstance) -> Iterator[Rule]:
    runbook = "the-database-is-under-pressure"
    cpu = database.metric_cpu_utilization()
    yield Rule("DatabaseBusy", "PostgreSQL uses 80 % of its processors.", runbook, cpu, 80, periods=3)
    free, tenth = database.metric_free_storage_space(statistic="Minimum"), stage.database_gib * GIB / 10
    yield Rule("DatabaseFull", "A tenth of the disk is left.", runbook, free, tenth, comparison=BELOW)
    connections = database.metric_database_connections(statistic="Maximum")
    limit = round(most_connections(stage) * 0.8)
    yield Rule("DatabaseConnections", "80 % of the connections are taken.", runbook, connections, limit, periods=2)


def most_connections(stage: StageSettings) -> int:
    """About what `max_connections` is on an instance of that class. Raises KeyError for a size that nobody knows."""
    memory = MEMORY_GIB[stage.database_class.rpartition(".")[2]] * GIB
    return round(memory * 2 / 3 / BYTES_PER_CONNECTION)


def all_rules(
    stage: StageSettings,
    functions: Mapping[str, lambda_.IFunction],
    mappings: Mapping[str, lambda_.IEventSourceMapping],
    database: rds.IDatabaseInstance,
) -> Iterator[Rule]:
    """Raises KeyError for a function that is not in cdk/wiring.py."""
    for name, function in functions.items():
        yield from function_rules(name, function)
    for group, source in mappings.items():
        yield from mapping_rules(group, source)
    for declared in FUNCTIONS:
        yield from dead_letter_rules(stage, declared)
        yield from schedule_rules(stage, declared)
    yield from audit_rules(stage)
    yield from flow_rules(stage)
    yield from database_rules(stage, database)
