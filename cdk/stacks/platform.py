"""Argo CD, and the one Application from which it brings up everything else out of Git (cdk/platform)."""

from typing import Any

from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.stacks.cluster_charts import ClusterCharts, external_secret
from cdk.stacks.cluster_nodes import associate, pod_role
from cdk.stacks.data import DataStack
from cdk.stacks.entrances import Entrances
from cdk.stages import StageSettings

CHART = "9.5.15"
REPOSITORY = "https://argoproj.github.io/argo-helm"
PATH = "cdk/platform/apps"


def _needs(cpu: str, memory: str, limit: str) -> dict[str, Any]:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": limit}}


def values(domain: str) -> dict[str, Any]:
    """Of the chart. One of each: it is not in the way of any request, and catches up after a restart."""
    return {
        "global": {"domain": f"argocd.{domain}"},
        "configs": {
            "cm": {"accounts.stoa": "apiKey"},
            "params": {"server.insecure": False},
            "rbac": {
                "policy.default": "",
                # what api_events_to_argocd does: it looks at the applications of APIs and syncs them
                "policy.csv": "p, stoa, applications, get, apis/*, allow\np, stoa, applications, sync, apis/*, allow\n",
            },
        },
        "controller": {"replicas": 1, "resources": _needs("100m", "384Mi", "768Mi")},
        "repoServer": {"replicas": 1, "resources": _needs("50m", "192Mi", "512Mi")},
        "server": {"replicas": 1, "resources": _needs("30m", "96Mi", "256Mi")},
        "redis": {"resources": _needs("20m", "64Mi", "128Mi")},
        "applicationSet": {"replicas": 0},
        "notifications": {"enabled": False},
        "dex": {"enabled": False},
    }


class Platform(Construct):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        cluster: eks.Cluster,
        charts: ClusterCharts,
        entrances: Entrances,
        data: DataStack,
    ) -> None:
        super().__init__(scope, construct_id)
        self._cluster = cluster
        argo = charts.chart(
            "ArgoCd",
            chart="argo-cd",
            repository=REPOSITORY,
            version=CHART,
            namespace="argocd",
            values=values(stage.domain),
        )
        argo.node.add_dependency(*charts.ready)
        seal = self._seal(stage)
        roles = (self._vault(seal), self._grafana())
        root = charts.manifest("Root", repository(stage), root_application(stage, self._parameters(stage, seal, data)))
        # a pod that starts before its role was given to it runs without
        root.node.add_dependency(argo, *roles)
        charts.bind("Entrances", entrances.groups, entrances.bindings)

    def _parameters(self, stage: StageSettings, seal: kms.Key, data: DataStack) -> dict[str, str]:
        """What Git cannot know: names that AWS gave."""
        return {
            "stage": stage.name,
            "domain": stage.domain,
            "repository": stage.repository,
            "revision": stage.platform_revision,
            "region": self._cluster.stack.region,
            "costCenter": stage.cost_center,
            "dataClass": stage.data_class,
            "database.host": data.database.db_instance_endpoint_address,
            "search.secret": data.secrets["opensearch_password"].secret_name,
            # by its ARN: the name that RDS makes up has dashes, and so its end in the ARN cannot be told from it
            "database.secret": data.database.secret.secret_arn if data.database.secret else "",
            "vault.key": seal.key_id,
        }

    def _seal(self, stage: StageSettings) -> kms.Key:
        """Vault opens itself with it after a restart. Who deletes it deletes what Vault holds."""
        return kms.Key(
            self, "Seal", description="Unseals Vault", enable_key_rotation=True, alias=f"stoa-{stage.name}-vault"
        )

    def _vault(self, seal: kms.Key) -> iam.Role:
        role = pod_role(self, "VaultRole", "Unseals Vault")
        role.add_to_policy(
            iam.PolicyStatement(actions=["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"], resources=[seal.key_arn])
        )
        associate(self._cluster, role, "vault", "vault")
        return role

    def _grafana(self) -> iam.Role:
        """Grafana reads metrics of the functions, the database and the load balancers from CloudWatch."""
        role = pod_role(self, "GrafanaRole", "Reads metrics of CloudWatch for Grafana")
        role.add_to_policy(
            iam.PolicyStatement(
                actions=[
                    "cloudwatch:DescribeAlarms",
                    "cloudwatch:GetMetricData",
                    "cloudwatch:ListMetrics",
                    "tag:GetResources",
                ],
                resources=["*"],
            )
        )
        associate(self._cluster, role, "monitoring", "monitoring-grafana")
        return role


def repository(stage: StageSettings) -> dict[str, Any]:
    """How Argo CD reads the repository: the operator put a read-only token into the secret."""
    name = "argocd-repository"
    made = external_secret(
        name, "argocd", f"stoa/{stage.name}/{name}", {"username": "username", "password": "password"}
    )
    made["spec"]["target"]["template"] = {
        "metadata": {"labels": {"argocd.argoproj.io/secret-type": "repository"}},
        "data": {
            "type": "git",
            "url": stage.repository,
            "username": "{{ .username }}",
            "password": "{{ .password }}",
        },
    }
    return made


def root_application(stage: StageSettings, parameters: dict[str, str]) -> dict[str, Any]:
    """The app of apps. It heals and prunes; the applications below say for themselves what they do."""
    given = [{"name": name, "value": value, "forceString": True} for name, value in parameters.items()]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "platform", "namespace": "argocd"},
        "spec": {
            "project": "default",
            "source": {
                "repoURL": stage.repository,
                "targetRevision": stage.platform_revision,
                "path": PATH,
                "helm": {"parameters": given},
            },
            "destination": {"server": "https://kubernetes.default.svc", "namespace": "argocd"},
            "syncPolicy": {"automated": {"prune": True, "selfHeal": True}},
        },
    }
