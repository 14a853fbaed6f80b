"""The network: one VPC in two zones, who may connect to whom, what leaves through NAT, a record of every connection."""

from typing import Any

from aws_cdk import Stack, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_logs as logs
from constructs import Construct

from cdk.stacks.firewall import firewall
from cdk.stacks.logs import RETENTION, log_key
from cdk.stacks.subnets import FixedCidrs, NatFromTheLast
from cdk.stages import StageSettings

VPC_CIDR = "10.0.0.0/16"
SUBNETS = {"Public": ("10.0.1.0/24", "10.0.2.0/24"), "Private": ("10.0.10.0/24", "10.0.20.0/24")}


class NetworkStack(Stack):
    """No account and no region: zones are those of wherever it is deployed (Fn::GetAZs, exactly two)."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: StageSettings, **kwargs: Any) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self.vpc = self._vpc(stage)
        self.firewall = firewall(self, self.vpc)
        self._record_flows(stage)

    def _vpc(self, stage: StageSettings) -> ec2.Vpc:
        public, private = ec2.SubnetType.PUBLIC, ec2.SubnetType.PRIVATE_WITH_EGRESS
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=FixedCidrs(VPC_CIDR, SUBNETS),
            max_azs=2,
            # how many public subnets the provider may choose from; it makes as many gateways as the stage wants
            nat_gateways=2,
            nat_gateway_provider=NatFromTheLast(stage.nat_gateways),
            # public addresses are asked for by who needs one, not given to whatever starts there
            subnet_configuration=[
                ec2.SubnetConfiguration(name="Public", subnet_type=public, map_public_ip_on_launch=False),
                ec2.SubnetConfiguration(name="Private", subnet_type=private),
            ],
            restrict_default_security_group=True,
            gateway_endpoints={"S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3)},
        )
        # where the load balancer controller of EKS may place what it makes
        for subnet in vpc.public_subnets:
            Tags.of(subnet).add("kubernetes.io/role/elb", "1", include_resource_types=["AWS::EC2::Subnet"])
        for subnet in vpc.private_subnets:
            Tags.of(subnet).add("kubernetes.io/role/internal-elb", "1", include_resource_types=["AWS::EC2::Subnet"])
        return vpc

    def _record_flows(self, stage: StageSettings) -> None:
        group = logs.LogGroup(
            self,
            "FlowLogs",
            retention=RETENTION[stage.log_retention_days],
            encryption_key=log_key(self),
        )
        self.vpc.add_flow_log("Flows", destination=ec2.FlowLogDestination.to_cloud_watch_logs(group))
