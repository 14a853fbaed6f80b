"""Who may open a connection to whom inside the VPC. What is not an arrow here does not get through."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

POSTGRESQL, KAFKA, HTTPS = 5432, 9094, 443

Group = Literal["functions", "pollers", "proxy", "database", "nodes"]


class Arrow(NamedTuple):
    """`who` may connect to TCP `port` of `to`; the answers come back by themselves, since groups are stateful."""

    who: Group
    to: Group | Literal["internet"]
    port: int
    why: str


ARROWS = (
    Arrow("functions", "proxy", POSTGRESQL, "SQL"),
    Arrow("proxy", "database", POSTGRESQL, "pooled SQL"),
    Arrow("functions", "nodes", KAFKA, "events are published"),
    Arrow("pollers", "nodes", KAFKA, "event sources read their topics"),
    # GitLab, Slack and the public endpoints of AWS have no address that one could list; the way to what runs on the
    # cluster goes through its own load balancer (cdk/stacks/entrances.py)
    Arrow("functions", "internet", HTTPS, "GitLab, Slack, AWS"),
    Arrow("nodes", "proxy", POSTGRESQL, "databases of Keycloak and AWX, pooled"),
    Arrow("nodes", "database", POSTGRESQL, "databases of Keycloak and AWX"),
)


@dataclass(frozen=True)
class Firewall:
    """The security groups. `pollers` is for the interfaces of event sources, `nodes` an extra group of EKS nodes."""

    functions: ec2.SecurityGroup
    pollers: ec2.SecurityGroup
    proxy: ec2.SecurityGroup
    database: ec2.SecurityGroup
    nodes: ec2.SecurityGroup


def firewall(scope: Construct, vpc: ec2.IVpc) -> Firewall:
    """Groups with exactly the arrows, made in `scope`, so that no other stack has to add a rule to them."""

    def group(name: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(scope, name, vpc=vpc, description=description, allow_all_outbound=False)

    made = Firewall(
        functions=group("FunctionsGroup", "Lambda functions"),
        pollers=group("PollersGroup", "Event source mappings"),
        proxy=group("ProxyGroup", "RDS proxy"),
        database=group("DatabaseGroup", "PostgreSQL"),
        nodes=group("NodesGroup", "EKS nodes, beside the group of the cluster"),
    )
    for arrow in ARROWS:
        target = ec2.Peer.any_ipv4() if arrow.to == "internet" else getattr(made, arrow.to)
        getattr(made, arrow.who).connections.allow_to(target, ec2.Port.tcp(arrow.port), arrow.why)
    return made
