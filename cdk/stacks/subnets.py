"""Where subnets and NAT gateways go: blocks and zones that the VPC construct would otherwise choose itself."""

from collections.abc import Mapping, Sequence
from typing import Any

import jsii
from aws_cdk import aws_ec2 as ec2


@jsii.implements(ec2.IIpAddresses)
class FixedCidrs:
    """Gives a VPC its block, and each group of subnets the blocks listed for it, zone by zone."""

    def __init__(self, vpc: str, blocks: Mapping[str, Sequence[str]]) -> None:
        self._vpc = vpc
        self._blocks = blocks

    @jsii.member(jsii_name="allocateVpcCidr")
    def allocate_vpc_cidr(self) -> ec2.VpcIpamOptions:
        return ec2.VpcIpamOptions(cidr_block=self._vpc)

    @jsii.member(jsii_name="allocateSubnetsCidr")
    def allocate_subnets_cidr(self, *, requested_subnets: Sequence[Any], vpc_cidr: str) -> ec2.SubnetIpamOptions:
        """Raises StopIteration when a group has fewer blocks than the VPC has zones."""
        left = {group: iter(blocks) for group, blocks in self._blocks.items()}
        cidrs = [next(left[subnet.configuration.name]) for subnet in requested_subnets]
        return ec2.SubnetIpamOptions(allocated_subnets=[ec2.AllocatedSubnet(cidr=cidr) for cidr in cidrs])


class NatFromTheLast(ec2.NatProvider):
    """Puts `count` NAT gateways into public subnets, the last subnet first.

    A private subnet uses the gateway of its own zone where there is one, else the last subnet's.
    """

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count
        self._gateways: list[tuple[str, str]] = []

    def configure_nat(self, *, nat_subnets: Sequence[Any], private_subnets: Sequence[Any], vpc: ec2.Vpc) -> None:
        for subnet in list(nat_subnets)[-self._count :]:
            self._gateways.append((subnet.availability_zone, subnet.add_nat_gateway().ref))
        for private in private_subnets:
            self.configure_subnet(private)

    def configure_subnet(self, subnet: ec2.PrivateSubnet) -> None:
        ref = dict(self._gateways).get(subnet.availability_zone, self._gateways[-1][1])
        subnet.add_default_nat_route(ref)

    @property
    def configured_gateways(self) -> list[ec2.GatewayConfig]:
        return [ec2.GatewayConfig(az=zone, gateway_id=ref) for zone, ref in self._gateways]
