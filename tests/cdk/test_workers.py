"""Functions, event source mappings and schedules are what cdk/wiring.py declares."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from aws_cdk import App, Stack, Tags
from aws_cdk import aws_lambda as lambda_

from cdk import packaging
from cdk.app import guarded
from cdk.stacks.functions import architecture
from cdk.wiring import FUNCTIONS, TOPICS
from stoa.kernel.settings import DatabaseLogin, KafkaLogin, Secret, Settings, from_environment
from tests.cdk.test_network import TAGS
from tests.cdk.written import Written, of_kind

PRIVATE = [f"<network:VpcPrivateSubnet{n}Subnet>" for n in (1, 2)]
SOURCES = [(function, source) for function in FUNCTIONS for source in function.sources]


def mappings(dev: Written) -> dict[str, dict[str, Any]]:
    """By consumer group."""
    found = of_kind(dev.stacks["workers"], "AWS::Lambda::EventSourceMapping").values()
    return {m["SelfManagedKafkaEventSourceConfig"]["ConsumerGroupId"]: m for m in found}


def function_of(dev: Written, mapping: dict[str, Any]) -> str:
    target = dev.stacks["workers"]["Resources"][mapping["FunctionName"]["Ref"]]["Properties"]
    return str(target["Environment"]["Variables"]["STOA_FUNCTION"])


def test_there_is_one_mapping_for_each_source_and_no_other(dev: Written) -> None:
    assert set(mappings(dev)) == {f"{function.name}.{source.topic}" for function, source in SOURCES}
    assert len(SOURCES) == 27


@pytest.mark.parametrize(("function", "source"), SOURCES, ids=[f"{f.name}.{s.topic}" for f, s in SOURCES])
def test_a_mapping_loses_nothing_and_is_batched_as_wired(dev: Written, function: Any, source: Any) -> None:
    found = mappings(dev)[f"{function.name}.{source.topic}"]
    assert function_of(dev, found) == function.name
    assert found["Topics"] == [source.topic]
    assert (found["BatchSize"], found["MaximumBatchingWindowInSeconds"]) == (source.batch_size, source.window_s)
    assert found.get("FunctionResponseTypes") == (["ReportBatchItemFailures"] if source.partial_batch else None)
    assert found["MaximumRetryAttempts"] == -1
    assert "DestinationConfig" not in found
    assert "MaximumRecordAgeInSeconds" not in found
    assert found["StartingPosition"] == "TRIM_HORIZON"
    assert "Enabled" not in found
    servers = [f"b-{n}.kafka.stoa.internal:9094" for n in range(3)]
    assert found["SelfManagedEventSource"] == {"Endpoints": {"KafkaBootstrapServers": servers}}


def test_pollers_are_provisioned_and_share_one_group(dev: Written) -> None:
    for group, found in mappings(dev).items():
        most = 1 if group.endswith(".notifications") else 2  # five invocations each, for three or six partitions
        wanted = {"MinimumPollers": 1, "MaximumPollers": most, "PollerGroupName": "stoa-dev"}
        assert found["ProvisionedPollerConfig"] == wanted
        assert found["MetricsConfig"]["Metrics"] == ["EventCount", "ErrorCount", "KafkaMetrics"]


def test_pollers_log_in_as_their_function_from_the_private_subnets(dev: Written) -> None:
    for group, found in mappings(dev).items():
        kinds = [(c["Type"], dev.text(c["URI"])) for c in found["SourceAccessConfigurations"]]
        assert kinds == [
            ("SASL_SCRAM_512_AUTH", f"secret:kafka/{group.partition('.')[0]}"),
            ("SERVER_ROOT_CA_CERTIFICATE", "secret:kafka-ca"),
            *(("VPC_SUBNET", subnet) for subnet in PRIVATE),
            ("VPC_SECURITY_GROUP", "<network:PollersGroup.GroupId>"),
        ]


@pytest.mark.parametrize(("attempts", "refused"), [(-1, True), (None, True), (10, False)])
def test_retrying_for_ever_with_a_destination_stops_the_synthesis(
    tmp_path: Path, attempts: int | None, refused: bool
) -> None:
    app = guarded(str(tmp_path))
    stack = Stack(app, "one", tags=TAGS)
    for key, value in TAGS.items():
        Tags.of(stack).add(key, value)
    destination = lambda_.CfnEventSourceMapping.OnFailureProperty(destination="kafka://git-pushes.dlq")
    lambda_.CfnEventSourceMapping(
        stack,
        "Mapping",
        function_name="one",
        topics=["git-pushes"],
        maximum_retry_attempts=attempts,
        destination_config=lambda_.CfnEventSourceMapping.DestinationConfigProperty(on_failure=destination),
    )
    if not refused:
        app.synth()
        return
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        app.synth()
    assert "retries for ever and has a destination" in (tmp_path / "validation-report.json").read_text()


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_a_function_is_as_declared_and_in_the_private_network(dev: Written, function: Any) -> None:
    found = dev.functions[function.name]
    assert found["Handler"] == f"functions.{function.name}.handler.handler"
    assert (found["Runtime"], found["Architectures"]) == ("python3.13", ["arm64"])
    assert (found["MemorySize"], found["Timeout"]) == (function.memory_mb, function.timeout_s)
    assert found["TracingConfig"] == {"Mode": "Active"}
    groups, subnets = (
        [dev.text(one) for one in found["VpcConfig"][kind]] for kind in ("SecurityGroupIds", "SubnetIds")
    )
    assert (groups, subnets) == (["<network:FunctionsGroup.GroupId>"], PRIVATE)
    assert len(found["Layers"]) == 2


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.name)
def test_settings_are_whole_and_no_secret_is_among_them(dev: Written, function: Any) -> None:
    given = dev.functions[function.name]["Environment"]["Variables"]
    environment = {name: dev.text(value) for name, value in given.items()}
    known = {f"STOA_{name.upper()}": kind for name, kind in Settings.__annotations__.items()}
    assert {name for name in environment if known[name.removesuffix("_SECRET")] is Secret} == {
        name for name in environment if name.endswith("_SECRET") or name == "STOA_DATABASE_URL"
    }
    read = from_environment(environment, lambda arn: f"what is kept as {arn}")
    assert (read.function, read.database_login, read.database_role) == (function.name, DatabaseLogin.IAM, "")
    assert read.database_url.reveal() == "postgresql://stoa_worker@<data:DatabaseProxy.Endpoint>:5432/stoa"
    if "kafka:write" in function.grants:
        assert read.kafka_login == KafkaLogin.SCRAM
        assert read.kafka_credentials.reveal() == f"what is kept as secret:kafka/{function.name}"


def test_logs_are_kept_as_long_as_the_stage_says_and_encrypted(dev: Written) -> None:
    groups = [g for t in dev.stacks.values() for g in of_kind(t, "AWS::Logs::LogGroup").values()]
    assert {(group["RetentionInDays"], "KmsKeyId" in group) for group in groups} == {(30, True)}


def test_ticks_come_as_often_as_declared_and_are_not_sent_twice(dev: Written) -> None:
    rules = of_kind(dev.stacks["schedules"], "AWS::Events::Rule").values()
    wanted = {
        f"Ticks of {f.name}": f"rate({f.every_s // 60} minute{'s' * (f.every_s > 60)})" for f in FUNCTIONS if f.every_s
    }
    wanted["Ticks of nightly_cleanup"] = "cron(0 2 * * ? *)"
    assert {rule["Description"]: rule["ScheduleExpression"] for rule in rules} == wanted
    assert all(target["RetryPolicy"]["MaximumRetryAttempts"] == 0 for rule in rules for target in rule["Targets"])
    tries = of_kind(dev.stacks["workers"], "AWS::Lambda::EventInvokeConfig").values()
    assert {t["MaximumRetryAttempts"] for t in tries} == {0}
    assert len(tries) == len(rules)


def test_deploy_requests_has_six_partitions_and_the_audit_log_is_kept_for_a_year() -> None:
    topics = {topic.name: topic for topic in TOPICS}
    assert topics["deploy-requests"].partitions == 6
    assert topics["audit-log"].retention_days == 365


def test_the_hash_of_an_asset_is_of_its_sources_alone(dev: Written) -> None:
    """Nothing was built here, and where it is, the same name comes out: cdk/packaging.py."""
    for function in FUNCTIONS:
        digest = hashlib.sha256(packaging.function(function.name).digest.encode()).hexdigest()
        assert dev.functions[function.name]["Code"]["S3Key"] == f"{digest}.zip"


def test_the_processor_is_one_of_two() -> None:
    assert architecture(Stack(App(context={"lambda_arch": "x86_64"}), "one")) == "x86_64"
    with pytest.raises(ValueError, match="lambda_arch"):
        architecture(Stack(App(context={"lambda_arch": "riscv"}), "one"))
