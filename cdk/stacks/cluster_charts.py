"""What is on the cluster before Argo CD: namespaces, disks, certificates, secrets, load balancing."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import CfnResource, Duration
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from constructs import Construct, IDependable

from cdk.stacks.cluster_nodes import associate, pod_role
from cdk.stacks.cluster_secrets import ClusterSecrets
from cdk.stages import StageSettings

NAMESPACES = (
    "argocd",
    "awx",
    "cert-manager",
    "databases",
    "external-secrets",
    "gatekeeper-system",
    "keycloak",
    "logging",
    "monitoring",
    "redpanda",
    "vault",
)
CERT_MANAGER = "v1.21.2"  # with the letter: it is the tag of an image
EXTERNAL_SECRETS = "2.0.0"
LOAD_BALANCING = eks.AlbControllerVersion.V3_2_2.helm_chart_version
STORE = "aws"
SMALL = {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "160Mi"}}
CERTIFICATES_VALUES = {
    "crds": {"enabled": True},
    "resources": SMALL,
    "webhook": {"resources": SMALL},
    "cainjector": {"resources": {"requests": {"cpu": "20m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}}},
    "startupapicheck": {"resources": SMALL},
}
SECRETS_VALUES = {
    "installCRDs": True,
    "serviceAccount": {"name": "external-secrets"},
    "resources": SMALL,
    "webhook": {"resources": SMALL},
    "certController": {"resources": SMALL},
}
LOAD_BALANCING_VALUES = {
    "replicaCount": 1,
    "resources": SMALL,
    "serviceAccount": {"name": "load-balancing"},
    # it makes no load balancer: it keeps the targets of those that CDK made
    "createIngressClassResource": False,
    "enableServiceMutatorWebhook": False,
    "enableShield": False,
    "enableWaf": False,
    "enableWafv2": False,
}


class ClusterCharts(Construct):
    """`ready` is what everything waits for that needs a certificate, a secret or a namespace."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        cluster: eks.Cluster,
        nodes: IDependable,
        secrets: ClusterSecrets,
        vpc: ec2.IVpc,
    ) -> None:
        super().__init__(scope, construct_id)
        self._cluster = cluster
        self._nodes = nodes
        self.namespaces = self.manifest("Namespaces", *(namespace(name, stage) for name in NAMESPACES))
        disks = self.manifest("Disks", storage_class())
        certificates = self.chart(
            "CertManager",
            chart="cert-manager",
            repository="oci://quay.io/jetstack/charts/cert-manager",
            version=CERT_MANAGER,
            namespace="cert-manager",
            values=CERTIFICATES_VALUES,
        )
        operator = self.chart(
            "ExternalSecrets",
            chart="external-secrets",
            repository="https://charts.external-secrets.io",
            version=EXTERNAL_SECRETS,
            namespace="external-secrets",
            values=SECRETS_VALUES,
        )
        operator.node.add_dependency(self._may_read(secrets))
        self._store = self.manifest("Store", secret_store(cluster.stack.region))
        self._store.node.add_dependency(operator)
        self.ready: tuple[IDependable, ...] = (disks, certificates, self._store)
        self.balancing = self._load_balancing(vpc)

    def chart(
        self,
        name: str,
        *,
        chart: str,
        version: str,
        namespace: str,
        values: dict[str, Any],
        repository: str | None = None,
    ) -> eks.HelmChart:
        """A chart in one of NAMESPACES, or in kube-system, complete when its pods are."""
        made = self._cluster.add_helm_chart(
            name,
            chart=chart,
            version=version,
            repository=repository,
            release=chart,
            namespace=namespace,
            create_namespace=False,
            wait=True,
            timeout=Duration.minutes(14),
            values=values,
        )
        made.node.add_dependency(self._nodes)
        made.node.add_dependency(self.namespaces)
        return made

    def manifest(self, name: str, *objects: dict[str, Any]) -> eks.KubernetesManifest:
        made = self._cluster.add_manifest(name, *objects)
        made.node.add_dependency(self._nodes)
        return made

    def _load_balancing(self, vpc: ec2.IVpc) -> eks.HelmChart:
        """Puts the pods of a service behind a load balancer, for each TargetGroupBinding."""
        role = pod_role(self, "BalancingRole", "Registers pods with load balancers")
        look = ["ec2:DescribeAvailabilityZones", "ec2:DescribeInstances", "ec2:DescribeNetworkInterfaces"]
        look += ["ec2:DescribeSecurityGroups", "ec2:DescribeSubnets", "ec2:DescribeVpcs"]
        look += ["elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth"]
        role.add_to_policy(iam.PolicyStatement(actions=look, resources=["*"]))
        self._balancing_role = role
        chart = self.chart(
            "LoadBalancing",
            chart="aws-load-balancer-controller",
            repository="https://aws.github.io/eks-charts",
            version=LOAD_BALANCING,
            namespace="kube-system",
            values={
                **LOAD_BALANCING_VALUES,
                "clusterName": self._cluster.cluster_name,
                "region": self._cluster.stack.region,
                "vpcId": vpc.vpc_id,
            },
        )
        chart.node.add_dependency(associate(self._cluster, role, "kube-system", "load-balancing"))
        return chart

    def bind(self, name: str, groups: Sequence[str], objects: Sequence[dict[str, Any]]) -> None:
        """Manifests with TargetGroupBindings of these groups, which the controller may then fill."""
        fill = ["elasticloadbalancing:RegisterTargets", "elasticloadbalancing:DeregisterTargets"]
        self._balancing_role.add_to_policy(iam.PolicyStatement(actions=fill, resources=list(groups)))
        self.manifest(name, *objects).node.add_dependency(self.balancing, self.namespaces)

    def _may_read(self, secrets: ClusterSecrets) -> CfnResource:
        """Reads what the cluster needs and nothing else; writes the certificate of the brokers' authority."""
        role = pod_role(self, "SecretsRole", "Brings secrets from Secrets Manager into the cluster")
        secrets.let_read_all(role)
        return associate(self._cluster, role, "external-secrets", "external-secrets")


def namespace(name: str, stage: StageSettings) -> dict[str, Any]:
    """By `stoa.io/platform` Gatekeeper knows whose pods to tag, since charts of others know no tags of ours."""
    labels = {
        "environment": stage.name,
        "project": "stoa",
        "cost-center": stage.cost_center,
        "data-class": stage.data_class,
        "auto-teardown": "false",
        "stoa.io/platform": "true",
    }
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def storage_class() -> dict[str, Any]:
    """Encrypted disks for whoever names no class; they outlive their claims, since they hold what was promised."""
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "gp3", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "ebs.csi.aws.com",
        "parameters": {"type": "gp3", "encrypted": "true"},
        "reclaimPolicy": "Retain",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }


def secret_store(region: str) -> dict[str, Any]:
    """Without `auth` External Secrets uses the identity of its own pod."""
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ClusterSecretStore",
        "metadata": {"name": STORE},
        "spec": {"provider": {"aws": {"service": "SecretsManager", "region": region}}},
    }


def external_secret(name: str, where: str, key: str, data: dict[str, str]) -> dict[str, Any]:
    """The Secret `name` in the namespace `where`; `data` is its keys by the properties of the secret `key` in AWS."""
    return {
        "apiVersion": "external-secrets.io/v1",
        "kind": "ExternalSecret",
        "metadata": {"name": name, "namespace": where},
        "spec": {
            "refreshInterval": "1h",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": STORE},
            "target": {"name": name},
            "data": [
                {"secretKey": inside, "remoteRef": {"key": key, "property": outside}}
                for inside, outside in data.items()
            ],
        },
    }


def binding(name: str, namespace: str, service: str, port: int, target_group: str) -> dict[str, Any]:
    """The pods of a service as the targets of a load balancer that CDK made."""
    return {
        "apiVersion": "elbv2.k8s.aws/v1beta1",
        "kind": "TargetGroupBinding",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "serviceRef": {"name": service, "port": port},
            "targetGroupARN": target_group,
            "targetType": "ip",
        },
    }
