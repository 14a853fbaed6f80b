"""Alarms, whom they tell, and one page to look at first."""

from collections.abc import Iterable, Mapping
from typing import Any

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_rds as rds
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sns as sns
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk.stacks.alarms import alarm, api_rules
from cdk.stacks.rules import all_rules
from cdk.stacks.signals import counted, mapping
from cdk.stages import StageSettings

WIDE = 12  # half of a page


class ObservabilityStack(Stack):
    """`functions` by their names in cdk/wiring.py, `mappings` by consumer group, `<function>.<topic>`.

    Alarms tell `topic`, and by it the address in the SSM parameter `/stoa/<stage>/alarm-email`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        functions: Mapping[str, lambda_.IFunction],
        mappings: Mapping[str, lambda_.IEventSourceMapping],
        http_api: apigateway.IHttpApi,
        database: rds.IDatabaseInstance,
        archive: s3.IBucket,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self.topic = self._topic(stage)
        for rule in (*all_rules(stage, functions, mappings, database), *api_rules(http_api)):
            alarm(self, rule, self.topic)
        page = cloudwatch.Dashboard(self, "Page", dashboard_name=f"stoa-{stage.name}")
        page.add_widgets(*_of_callers(stage, http_api), *_of_events(stage, mappings))
        page.add_widgets(*_of_functions(functions), *_of_data(database, archive))

    def _topic(self, stage: StageSettings) -> sns.Topic:
        key = kms.Key(
            self,
            "TopicKey",
            description=f"Alarms of stoa-{stage.name}",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        topic = sns.Topic(self, "Alarms", master_key=key, enforce_ssl=True)
        alarms_of_ours = {"StringEquals": {"aws:SourceAccount": self.account}}
        cloudwatch_service = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[cloudwatch_service],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],  # a key's policy speaks of that key only
                conditions=alarms_of_ours,
            )
        )
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[cloudwatch_service],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions=alarms_of_ours,
            )
        )
        sns.Subscription(
            self,
            "OnDuty",
            topic=topic,
            protocol=sns.SubscriptionProtocol.EMAIL,
            endpoint=ssm.StringParameter.value_for_string_parameter(self, f"/stoa/{stage.name}/alarm-email"),
        )
        return topic


def _graph(title: str, *left: cloudwatch.IMetric, right: Iterable[cloudwatch.IMetric] = ()) -> cloudwatch.GraphWidget:
    return cloudwatch.GraphWidget(title=title, left=[*left], right=[*right], width=WIDE)


def _of_callers(stage: StageSettings, http_api: apigateway.IHttpApi) -> list[cloudwatch.IWidget]:
    five = Duration.minutes(5)
    answers = [
        http_api.metric_count(period=five, statistic="Sum"),
        http_api.metric_client_error(period=five, statistic="Sum"),
        http_api.metric_server_error(period=five, statistic="Sum"),
    ]
    times = [http_api.metric_latency(period=five, statistic=quantile) for quantile in ("p50", "p99")]
    ends = [
        counted(stage, "deployment_duration", "deploy_results_to_status", statistic="SampleCount", status=status)
        for status in ("success", "failed")
    ]
    slow = counted(stage, "deployment_duration", "deploy_results_to_status", statistic="p95", status="success")
    return [
        _graph("API: answers", *answers, right=times),
        _graph("Deployments that ended, and p95 of those that succeeded", *ends, right=[slow]),
    ]


def _of_events(stage: StageSettings, mappings: Mapping[str, lambda_.IEventSourceMapping]) -> list[cloudwatch.IWidget]:
    behind = [mapping("MaxOffsetLag", source, group, statistic="Maximum") for group, source in mappings.items()]
    done = [mapping("CommittedEventCount", source, group) for group, source in mappings.items()]
    oldest = counted(stage, "outbox_age", "outbox_relay", statistic="Maximum")
    return [
        _graph("Consumers: records behind", *behind),
        _graph("Consumers: records done, and the age of the oldest event in the outbox", *done, right=[oldest]),
    ]


def _of_functions(functions: Mapping[str, lambda_.IFunction]) -> list[cloudwatch.IWidget]:
    errors = [function.metric_errors(label=name) for name, function in functions.items()]
    times = [function.metric_duration(label=name, statistic="p99") for name, function in functions.items()]
    return [_graph("Functions: errors", *errors), _graph("Functions: p99 of their time", *times)]


def _of_data(database: rds.IDatabaseInstance, archive: s3.IBucket) -> list[cloudwatch.IWidget]:
    size = cloudwatch.Metric(
        namespace="AWS/S3",
        metric_name="NumberOfObjects",
        dimensions_map={"BucketName": archive.bucket_name, "StorageType": "AllStorageTypes"},
        period=Duration.days(1),
        statistic="Average",
        label="objects in the archive",
    )
    connections = database.metric_database_connections(statistic="Maximum")
    return [
        _graph("PostgreSQL", database.metric_cpu_utilization(), right=[connections]),
        _graph("PostgreSQL: free disk; archive", database.metric_free_storage_space(), right=[size]),
    ]
