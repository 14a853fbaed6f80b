"""How what runs on the cluster is reached: a load balancer for browsers, which knows sign-in only, and one inside."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as targets
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk.stacks.buckets import log_bucket
from cdk.stacks.cluster_charts import binding
from cdk.stages import StageSettings


@dataclass(frozen=True)
class Entrance:
    """`https://<host>.<stage>.<domain>` to the port of a service; `pod_port` is where its pods listen."""

    host: str
    namespace: str
    service: str
    port: int
    pod_port: int
    health: str
    tls: bool = False


SIGN_IN = Entrance("auth", "keycloak", "keycloak", 8443, 8443, "/realms/stoa", tls=True)
# Redpanda Console is not among them: it asks nobody who they are, and may do everything
INSIDE = (
    SIGN_IN,
    Entrance("argocd", "argocd", "argo-cd-argocd-server", 443, 8080, "/healthz", tls=True),
    Entrance("awx", "awx", "awx-service", 80, 8052, "/api/v2/ping/"),
    Entrance("grafana", "monitoring", "monitoring-grafana", 80, 3000, "/api/health"),
    Entrance("opensearch", "logging", "opensearch", 9200, 9200, "/", tls=True),
    Entrance("vault", "vault", "vault-active", 8200, 8200, "/v1/sys/health", tls=True),
)


class Entrances(Construct):
    """`bindings` are for the cluster: which service's pods are behind which of the `groups` of targets.

    The certificate, for `*.<stage>.<domain>`, is the operator's: parameter `/stoa/<stage>/certificate` has its ARN.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        vpc: ec2.IVpc,
        functions: ec2.ISecurityGroup,
        pods: ec2.ISecurityGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self._vpc = vpc
        self._pods = pods
        self._domain = stage.domain
        self.bindings: list[dict[str, Any]] = []
        self.groups: list[str] = []
        self._certificate = elbv2.ListenerCertificate.from_arn(
            ssm.StringParameter.value_for_string_parameter(self, f"/stoa/{stage.name}/certificate")
        )
        self._logs = self._log_bucket(stage.log_retention_days)
        public = self._balancer("Public", (SIGN_IN,), internet_facing=True)
        public.connections.allow_from_any_ipv4(ec2.Port.tcp(443), "People sign in")
        inside = self._balancer("Inside", INSIDE, internet_facing=False)
        self._let_in(inside, functions)
        self._name(vpc, inside)
        CfnOutput(self, "SignIn", value=public.load_balancer_dns_name, description=f"auth.{self._domain} is a CNAME")

    def _name(self, vpc: ec2.IVpc, inside: elbv2.ApplicationLoadBalancer) -> None:
        """A zone for each name and not one for all: that would hide, inside, the names that are only outside."""
        alias = route53.RecordTarget.from_alias(targets.LoadBalancerTarget(inside))
        for entrance in INSIDE:
            name = f"{entrance.host}.{self._domain}"
            zone = route53.PrivateHostedZone(self, f"Zone-{entrance.host}", zone_name=name, vpc=vpc)
            route53.ARecord(self, f"Name-{entrance.host}", zone=zone, target=alias)

    def _let_in(self, inside: elbv2.ApplicationLoadBalancer, functions: ec2.ISecurityGroup) -> None:
        """Both ends of the arrow; machines and operators' sessions inside come from the machines' own group."""
        group = inside.connections.security_groups[0]
        for number, peer in enumerate((functions, self._pods)):
            ec2.CfnSecurityGroupIngress(
                self,
                f"InsideFrom{number}",
                group_id=group.security_group_id,
                source_security_group_id=peer.security_group_id,
                ip_protocol="tcp",
                from_port=443,
                to_port=443,
                description="HTTPS to what runs on the cluster",
            )
        ec2.CfnSecurityGroupEgress(
            self,
            "FunctionsToInside",
            group_id=functions.security_group_id,
            destination_security_group_id=group.security_group_id,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            description="HTTPS to what runs on the cluster",
        )

    def _balancer(
        self, name: str, entrances: Iterable[Entrance], *, internet_facing: bool
    ) -> elbv2.ApplicationLoadBalancer:
        kind = ec2.SubnetType.PUBLIC if internet_facing else ec2.SubnetType.PRIVATE_WITH_EGRESS
        group = ec2.SecurityGroup(
            self, f"{name}Group", vpc=self._vpc, allow_all_outbound=False, description=f"{name} load balancer"
        )
        balancer = elbv2.ApplicationLoadBalancer(
            self,
            name,
            vpc=self._vpc,
            internet_facing=internet_facing,
            vpc_subnets=ec2.SubnetSelection(subnet_type=kind),
            security_group=group,
            drop_invalid_header_fields=True,
            desync_mitigation_mode=elbv2.DesyncMitigationMode.STRICTEST,
        )
        self._record(balancer, name)
        listener = balancer.add_listener(
            "Https",
            port=443,
            protocol=elbv2.ApplicationProtocol.HTTPS,
            ssl_policy=elbv2.SslPolicy.TLS13_RES,
            certificates=[self._certificate],
            open=False,
            default_action=elbv2.ListenerAction.fixed_response(404, content_type="text/plain", message_body="nobody"),
        )
        for number, entrance in enumerate(entrances):
            listener.add_action(
                entrance.host,
                priority=number + 1,
                conditions=[elbv2.ListenerCondition.host_headers([f"{entrance.host}.{self._domain}"])],
                action=elbv2.ListenerAction.forward([self._targets(name, entrance)]),
            )
        self._reach_pods(name, group, {one.pod_port for one in entrances})
        return balancer

    def _targets(self, name: str, entrance: Entrance) -> elbv2.ApplicationTargetGroup:
        protocol = elbv2.ApplicationProtocol.HTTPS if entrance.tls else elbv2.ApplicationProtocol.HTTP
        made = elbv2.ApplicationTargetGroup(
            self,
            f"{name}-{entrance.host}",
            vpc=self._vpc,
            port=entrance.pod_port,
            protocol=protocol,
            target_type=elbv2.TargetType.IP,
            deregistration_delay=Duration.seconds(30),
            health_check=elbv2.HealthCheck(
                path=entrance.health,
                protocol=elbv2.Protocol.HTTPS if entrance.tls else elbv2.Protocol.HTTP,
                # OpenSearch asks the check itself who it is
                healthy_http_codes="200,401",
            ),
        )
        self.groups.append(made.target_group_arn)
        self.bindings.append(
            binding(
                f"{entrance.service}-{name.lower()}",
                entrance.namespace,
                entrance.service,
                entrance.port,
                made.target_group_arn,
            )
        )
        return made

    def _reach_pods(self, name: str, group: ec2.SecurityGroup, ports: Iterable[int]) -> None:
        for port in sorted(ports):
            group.add_egress_rule(self._pods, ec2.Port.tcp(port), "Pods")
            ec2.CfnSecurityGroupIngress(
                self,
                f"{name}ToPods{port}",
                group_id=self._pods.security_group_id,
                source_security_group_id=group.security_group_id,
                ip_protocol="tcp",
                from_port=port,
                to_port=port,
                description=f"From the {name.lower()} load balancer",
            )

    def _log_bucket(self, days: int) -> s3.Bucket:
        bucket = log_bucket(self, "Logs", days=days)
        bucket.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("logdelivery.elasticloadbalancing.amazonaws.com")],
                actions=["s3:PutObject"],
                resources=[bucket.arn_for_objects("*/AWSLogs/*")],
            )
        )
        return bucket

    def _record(self, balancer: elbv2.ApplicationLoadBalancer, name: str) -> None:
        """By attributes, since the construct's own way must know the region while it synthesises."""
        balancer.set_attribute("access_logs.s3.enabled", "true")
        balancer.set_attribute("access_logs.s3.bucket", self._logs.bucket_name)
        balancer.set_attribute("access_logs.s3.prefix", name.lower())
        policy = self._logs.policy
        if policy is not None:
            balancer.node.add_dependency(policy)
