"""EKS: one private cluster with a fixed number of machines, and on it what the rest needs before Git takes over."""

from typing import Any

import aws_cdk.lambda_layer_kubectl_v35 as kubectl
from aws_cdk import Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.stacks.cluster_charts import ClusterCharts
from cdk.stacks.cluster_nodes import add_nodes
from cdk.stacks.cluster_secrets import ClusterSecrets
from cdk.stacks.data import DataStack
from cdk.stacks.entrances import Entrances
from cdk.stacks.findings import FRAMEWORK, HANDLER, accept_findings, at
from cdk.stacks.kafka import Kafka
from cdk.stacks.logs import logs_may_use
from cdk.stacks.network import NetworkStack
from cdk.stacks.platform import Platform
from cdk.stages import StageSettings

VERSION = eks.KubernetesVersion.V1_35


class ClusterStack(Stack):
    """Clients of Kafka need `bootstrap_servers` and `kafka_ca`, whose value is JSON with the PEM in `certificate`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        network: NetworkStack,
        data: DataStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        key = self._key()
        self.cluster = self._cluster(stage, network, key)
        self._let_in_operators(stage)
        self._keep_logs(stage, key)
        security_groups = [network.firewall.nodes, self.cluster.cluster_security_group]
        nodes = add_nodes(self.cluster, stage, security_groups, key)
        secrets = ClusterSecrets(self, "Secrets", stage=stage, data=data)
        charts = ClusterCharts(
            self, "Charts", stage=stage, cluster=self.cluster, nodes=nodes, secrets=secrets, vpc=network.vpc
        )
        callers, pods = network.firewall.functions, self.cluster.cluster_security_group
        entrances = Entrances(self, "Entrances", stage=stage, vpc=network.vpc, functions=callers, pods=pods)
        kafka = Kafka(
            self,
            "Kafka",
            stage=stage.name,
            charts=charts,
            secrets=secrets,
            vpc=network.vpc,
            security_groups=security_groups,
        )
        Platform(self, "Platform", stage=stage, cluster=self.cluster, charts=charts, entrances=entrances, data=data)
        self.bootstrap_servers = kafka.bootstrap_servers
        self.kafka_ca = secrets.kafka_ca
        accept_findings(self)

    def _key(self) -> kms.Key:
        return kms.Key(self, "Key", description="Secrets, disks and logs of the cluster", enable_key_rotation=True)

    def _cluster(self, stage: StageSettings, network: NetworkStack, key: kms.Key) -> eks.Cluster:
        private = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS)
        return eks.Cluster(
            self,
            "Cluster",
            cluster_name=f"stoa-{stage.name}",
            version=VERSION,
            vpc=network.vpc,
            vpc_subnets=[private],
            endpoint_access=eks.EndpointAccess.PRIVATE,
            default_capacity_type=eks.DefaultCapacityType.NODEGROUP,
            default_capacity=0,
            secrets_encryption_key=key,
            # who deploys gets in through an access entry, and nobody by having made the cluster
            bootstrap_cluster_creator_admin_permissions=False,
            bootstrap_self_managed_addons=False,
            # nothing that stands on disks is deleted because its name is no longer in a template
            prune=False,
            cluster_logging=[
                eks.ClusterLoggingTypes.API,
                eks.ClusterLoggingTypes.AUDIT,
                eks.ClusterLoggingTypes.AUTHENTICATOR,
                eks.ClusterLoggingTypes.CONTROLLER_MANAGER,
                eks.ClusterLoggingTypes.SCHEDULER,
            ],
            kubectl_provider_options=eks.KubectlProviderOptions(
                kubectl_layer=kubectl.KubectlV35Layer(self, "Kubectl"),
                private_subnets=network.vpc.private_subnets,
            ),
        )

    def _let_in_operators(self, stage: StageSettings) -> None:
        """One role may do everything, and IAM says who may take it."""
        cluster = self.cluster
        operators = iam.Role(
            self,
            "Operators",
            role_name=f"stoa-{stage.name}-cluster-operators",
            description="Administers the cluster with kubectl; whoever may assume it is said by IAM",
            assumed_by=iam.AccountRootPrincipal(),
        )
        everything = eks.AccessPolicy.from_access_policy_name(
            "AmazonEKSClusterAdminPolicy", access_scope_type=eks.AccessScopeType.CLUSTER
        )
        cluster.grant_access("OperatorsMay", operators.role_arn, [everything])
        operators.add_to_policy(iam.PolicyStatement(actions=["eks:DescribeCluster"], resources=[cluster.cluster_arn]))

    def _keep_logs(self, stage: StageSettings, key: kms.Key) -> None:
        """Of the library's own handlers, which would keep them for two years and under no key of ours."""
        logs_may_use(key, f"/aws/lambda/{self.stack_name}-*")
        for path in (HANDLER, FRAMEWORK):
            group = at(self, f"{path}/LogGroup/Resource")
            assert isinstance(group, logs.CfnLogGroup)  # noqa: S101  the library makes one for each of its functions
            group.kms_key_id = key.key_arn
            group.retention_in_days = stage.log_retention_days
