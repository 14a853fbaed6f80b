"""Every function that a topic or a schedule starts, and the event source mappings that bring it records."""

from collections.abc import Mapping
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.mappings import FOR_EVER
from cdk.stacks.cluster import ClusterStack
from cdk.stacks.data import DataStack
from cdk.stacks.functions import PRIVATE, Functions
from cdk.stacks.network import NetworkStack
from cdk.stages import StageSettings
from cdk.wiring import FUNCTIONS, TOPICS, Function, Source

# a poller runs up to five invocations at once, and no more than there are partitions are of use
PER_POLLER = 5
PARTITIONS = {topic.name: topic.partitions for topic in TOPICS}
METRICS = [lambda_.MetricType.EVENT_COUNT, lambda_.MetricType.ERROR_COUNT, lambda_.MetricType.KAFKA_METRICS]


class WorkersStack(Stack):
    """`functions` by their names in cdk/wiring.py; `mappings` by consumer group, `<function>.<topic>`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        network: NetworkStack,
        data: DataStack,
        cluster: ClusterStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._stage, self._network, self._data, self._cluster = stage, network, data, cluster
        made = Functions(self, stage=stage, network=network, data=data, cluster=cluster)
        started = [function for function in FUNCTIONS if not function.http]
        functions = {function.name: made.add(function) for function in started}
        self.functions: Mapping[str, lambda_.IFunction] = functions
        self.mappings: Mapping[str, lambda_.IEventSourceMapping] = {
            f"{function.name}.{source.topic}": self._map(functions[function.name], function, source)
            for function in started
            for source in function.sources
        }

    def _map(self, target: lambda_.Function, function: Function, source: Source) -> lambda_.IEventSourceMapping:
        """A failed record comes again for as long as its topic keeps it. No destination takes it away: with one, Lambda
        would stop after ten attempts; what can never be processed, the function itself sets aside (docs/adr/0004)."""
        group = f"{function.name}.{source.topic}"
        return lambda_.EventSourceMapping(
            self,
            group,
            target=target,
            kafka_bootstrap_servers=self._cluster.bootstrap_servers.split(","),
            kafka_topic=source.topic,
            kafka_consumer_group_id=group,
            starting_position=lambda_.StartingPosition.TRIM_HORIZON,
            batch_size=source.batch_size,
            max_batching_window=Duration.millis(int(source.window_s * 1000)),
            report_batch_item_failures=source.partial_batch,
            retry_attempts=FOR_EVER,
            provisioned_poller_config=lambda_.ProvisionedPollerConfig(
                minimum_pollers=1,
                maximum_pollers=-(-PARTITIONS[source.topic] // PER_POLLER),
                poller_group_name=f"stoa-{self._stage.name}",
            ),
            source_access_configurations=self._access(function),
            metrics_config=lambda_.MetricsConfig(metrics=METRICS),
            log_level=lambda_.EventSourceMappingLogLevel.WARN,
        )

    def _access(self, function: Function) -> list[lambda_.SourceAccessConfiguration]:
        """How pollers log in, and where in the VPC they are: they use this network, not the function's."""
        kind = lambda_.SourceAccessConfigurationType
        subnets = self._network.vpc.select_subnets(subnet_type=PRIVATE.subnet_type).subnet_ids
        group = self._network.firewall.pollers.security_group_id
        pairs = [
            (kind.SASL_SCRAM_512_AUTH, self._data.kafka_credentials[function.name].secret_arn),
            (kind.SERVER_ROOT_CA_CERTIFICATE, self._cluster.kafka_ca.secret_arn),
            *((kind.VPC_SUBNET, subnet) for subnet in subnets),
            (kind.VPC_SECURITY_GROUP, group),
        ]
        return [lambda_.SourceAccessConfiguration(type=name, uri=uri) for name, uri in pairs]
