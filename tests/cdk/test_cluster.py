"""The cluster's stack of one stage, read as CloudFormation does."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from cdk.stacks.cluster_charts import NAMESPACES
from cdk.stacks.entrances import INSIDE
from cdk.stages import STAGES
from tests.cdk.platform_charts import PLATFORM, render
from tests.cdk.test_capacity import BY_CDK
from tests.cdk.written import Written, of_kind

DEV = STAGES[0]


@dataclass(frozen=True)
class Cluster:
    """Its template, and what that has the handler of Helm and kubectl do."""

    template: dict[str, Any]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return of_kind(self.template, kind)

    def charts(self) -> dict[str, dict[str, Any]]:
        """Helm releases by name, their values read."""
        found = self.of("Custom::AWSCDK-EKS-HelmChart").values()
        return {one["Release"]: {**one, "Values": json.loads(text(one["Values"]))} for one in found}

    def manifests(self) -> list[dict[str, Any]]:
        found = self.of("Custom::AWSCDK-EKS-KubernetesResource").values()
        return [one for manifest in found for one in json.loads(text(manifest["Manifest"]))]

    def kinds(self, kind: str) -> dict[str, dict[str, Any]]:
        return {one["metadata"]["name"]: one for one in self.manifests() if one["kind"] == kind}


def text(value: Any) -> str:
    """A string of a template, with a mark where something is filled in when it is deployed."""
    if isinstance(value, str):
        return value
    if "Fn::Join" in value:
        return "".join(text(part) for part in value["Fn::Join"][1])
    return f"<{next(iter(value))}>"


@pytest.fixture(scope="module")
def cluster(dev: Written) -> Cluster:
    return Cluster(dev.stacks["cluster"])


def test_the_cluster_is_private_encrypted_and_tells_what_it_does(cluster: Cluster) -> None:
    (made,) = cluster.of("AWS::EKS::Cluster").values()
    assert made["Version"] == "1.35"
    network = made["ResourcesVpcConfig"]
    assert (network["EndpointPrivateAccess"], network["EndpointPublicAccess"]) == (True, False)
    assert made["EncryptionConfig"][0]["Resources"] == ["secrets"]
    kinds = {one["Type"] for one in made["Logging"]["ClusterLogging"]["EnabledTypes"]}
    assert kinds == {"api", "audit", "authenticator", "controllerManager", "scheduler"}
    assert made["AccessConfig"]["AuthenticationMode"] == "API"
    assert made["AccessConfig"]["BootstrapClusterCreatorAdminPermissions"] is False
    assert made["ComputeConfig"]["Enabled"] is False


def test_it_has_exactly_three_machines_of_the_size_that_the_seed_names(cluster: Cluster) -> None:
    (group,) = cluster.of("AWS::EKS::Nodegroup").values()
    assert group["ScalingConfig"] == {"MinSize": 3, "DesiredSize": 3, "MaxSize": 3}
    assert group["InstanceTypes"] == ["t3.large"]
    assert {(stage.node_type, stage.nodes) for stage in STAGES} == {("t3.large", 3)}


def test_machines_have_encrypted_disks_and_no_credentials_for_pods(cluster: Cluster) -> None:
    (template,) = cluster.of("AWS::EC2::LaunchTemplate").values()
    data = template["LaunchTemplateData"]
    assert data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1}
    assert [disk["Ebs"]["Encrypted"] for disk in data["BlockDeviceMappings"]] == [True]
    for tagged in data["TagSpecifications"]:
        assert {one["Key"]: one["Value"] for one in tagged["Tags"]} == dict(DEV.tags)


def test_add_ons_come_in_the_order_that_machines_need(cluster: Cluster) -> None:
    resources = cluster.template["Resources"]
    addons = {
        one["Properties"]["AddonName"]: name for name, one in resources.items() if one["Type"] == "AWS::EKS::Addon"
    }
    assert set(addons) == {"vpc-cni", "kube-proxy", "coredns", "aws-ebs-csi-driver", "eks-pod-identity-agent"}
    (group,) = [name for name, one in resources.items() if one["Type"] == "AWS::EKS::Nodegroup"]
    before = {addons["vpc-cni"], addons["kube-proxy"], addons["eks-pod-identity-agent"]}
    assert before <= set(resources[group]["DependsOn"])
    assert group in resources[addons["coredns"]]["DependsOn"]
    network = resources[addons["vpc-cni"]]["Properties"]["ConfigurationValues"]
    assert json.loads(network)["enableNetworkPolicy"] == "true"


def test_kubernetes_is_reached_by_one_role_and_the_handler_only(cluster: Cluster) -> None:
    given = [text(one["PrincipalArn"]) for one in cluster.of("AWS::EKS::AccessEntry").values()]
    assert len(given) == 2
    assert cluster.of("AWS::IAM::OIDCProvider") == {}


def test_brokers_have_tls_and_passwords_and_are_called_by_their_own_names(cluster: Cluster) -> None:
    chart = cluster.charts()["redpanda"]
    values = chart["Values"]
    assert chart["Version"] == "26.3.1"
    assert values["statefulset"]["replicas"] == 3
    assert values["auth"]["sasl"] == {
        "enabled": True,
        "mechanism": "SCRAM-SHA-512",
        "secretRef": "kafka-admin",
        "users": [],
    }
    assert values["tls"]["enabled"] is True
    assert {one["issuerRef"]["name"] for one in values["tls"]["certs"].values()} == {"kafka-ca"}
    outside = values["external"]
    assert [f"{one}.{outside['domain']}" for one in outside["addresses"]] == [
        f"b-{number}.kafka.stoa.internal" for number in range(3)
    ]
    listener = values["listeners"]["kafka"]["external"]["default"]
    assert (listener["port"], listener["advertisedPorts"]) == (9094, [9094])
    assert values["config"]["cluster"]["auto_create_topics_enabled"] is False


def test_each_broker_has_a_load_balancer_inside_and_a_name_for_it(cluster: Cluster) -> None:
    balancers = cluster.of("AWS::ElasticLoadBalancingV2::LoadBalancer")
    network = {name: one for name, one in balancers.items() if one["Type"] == "network"}
    assert [one["Scheme"] for one in network.values()] == ["internal"] * 3
    records = [one for one in cluster.of("AWS::Route53::RecordSet").values() if "kafka" in text(one["Name"])]
    assert [text(one["Name"]) for one in records] == [f"b-{number}.kafka.stoa.internal." for number in range(3)]
    assert len({json.dumps(one["AliasTarget"]) for one in records}) == 3
    for number in range(3):
        service = cluster.kinds("Service")[f"broker-{number}"]["spec"]
        assert service["selector"] == {"statefulset.kubernetes.io/pod-name": f"redpanda-{number}"}
        bound = cluster.kinds("TargetGroupBinding")[f"broker-{number}"]["spec"]
        assert (bound["serviceRef"], bound["targetType"]) == ({"name": f"broker-{number}", "port": 9094}, "ip")


def test_browsers_reach_sign_in_and_nothing_else_of_the_cluster(cluster: Cluster) -> None:
    balancers = cluster.of("AWS::ElasticLoadBalancingV2::LoadBalancer")
    (public,) = [name for name, one in balancers.items() if one["Scheme"] == "internet-facing"]
    listeners = cluster.of("AWS::ElasticLoadBalancingV2::Listener")
    (listener,) = [name for name, one in listeners.items() if one["LoadBalancerArn"] == {"Ref": public}]
    assert (listeners[listener]["Port"], listeners[listener]["Protocol"]) == (443, "HTTPS")
    assert listeners[listener]["DefaultActions"][0]["FixedResponseConfig"]["StatusCode"] == "404"
    rules = cluster.of("AWS::ElasticLoadBalancingV2::ListenerRule").values()
    outside = [
        one["Conditions"][0]["HostHeaderConfig"]["Values"] for one in rules if one["ListenerArn"]["Ref"] == listener
    ]
    assert outside == [["auth.dev.stoa.example.com"]]
    assert len(list(rules)) == 1 + len(INSIDE)
    assert {one.namespace for one in INSIDE} == {"keycloak", "argocd", "awx", "monitoring", "logging", "vault"}


def test_inside_only_the_names_of_the_cluster_are_others_than_outside(cluster: Cluster) -> None:
    """The API's name, to which AWX reports, stays what the world knows."""
    zones = {one["Name"] for one in cluster.of("AWS::Route53::HostedZone").values()}
    assert zones == {f"{one.host}.dev.stoa.example.com." for one in INSIDE} | {"kafka.stoa.internal."}
    named = {text(one["Name"]) for one in cluster.of("AWS::Route53::RecordSet").values()}
    assert zones - {"kafka.stoa.internal."} <= named


def test_no_value_of_a_secret_stands_in_the_template(cluster: Cluster) -> None:
    for secret in cluster.of("AWS::SecretsManager::Secret").values():
        assert "SecretString" not in secret
        assert secret["KmsKeyId"]
    assert cluster.kinds("Secret") == {}
    store = cluster.kinds("ClusterSecretStore")["aws"]["spec"]["provider"]["aws"]
    assert set(store) == {"service", "region"}


def test_the_authority_of_the_brokers_goes_where_event_sources_read_it(cluster: Cluster) -> None:
    named = {one["Name"]: one for one in cluster.of("AWS::SecretsManager::Secret").values()}
    tags = {one["Key"]: one["Value"] for one in named["stoa/dev/kafka-ca"]["Tags"]}
    assert tags["managed-by"] == "external-secrets"
    pushed = cluster.kinds("PushSecret")["kafka-ca"]["spec"]
    assert pushed["data"][0]["match"] == {
        "secretKey": "ca.crt",
        "remoteRef": {"remoteKey": "stoa/dev/kafka-ca", "property": "certificate"},
    }


def test_manifests_in_git_name_secrets_that_are_made_here(dev: Written) -> None:
    made = {
        one["Name"]
        for stack in ("cluster", "data")
        for one in of_kind(dev.stacks[stack], "AWS::SecretsManager::Secret").values()
    }
    # RDS makes that of the database's owner, and Argo CD is told where it is
    made.add(yaml.safe_load((PLATFORM / "apps/values.yaml").read_text())["database"]["secret"])
    for chart in ("databases", "keycloak", "awx", "search-users", "observability"):
        for one in render(chart):
            if one["kind"] == "ExternalSecret":
                assert {entry["remoteRef"]["key"] for entry in one["spec"]["data"]} <= made


def test_argo_cd_follows_the_stage_and_is_told_what_aws_named(cluster: Cluster) -> None:
    source = cluster.kinds("Application")["platform"]["spec"]["source"]
    assert (source["targetRevision"], source["path"]) == (DEV.platform_revision, "cdk/platform/apps")
    given = {one["name"]: one["value"] for one in source["helm"]["parameters"]}
    # a whole ARN, and a name cut out of one
    assert (given["database.secret"], given["search.secret"]) == ("<Fn::ImportValue>", "<Fn::Select>")
    asked = yaml.safe_load((PLATFORM / "apps/values.yaml").read_text())
    known = {name for name in asked if not isinstance(asked[name], dict)}
    known |= {f"{name}.{inner}" for name in ("database", "search", "vault") for inner in asked[name]}
    assert set(given) == known


def test_namespaces_are_those_that_have_a_policy(cluster: Cluster) -> None:
    asked = yaml.safe_load((PLATFORM / "charts/guardrails/values.yaml").read_text())
    assert set(cluster.kinds("Namespace")) == set(asked["namespaces"]) == set(NAMESPACES)
    for one in cluster.kinds("Namespace").values():
        assert one["metadata"]["labels"]["stoa.io/platform"] == "true"


def test_pods_get_their_roles_by_pod_identity_and_each_role_is_for_one(cluster: Cluster) -> None:
    found = {
        (one["Namespace"], one["ServiceAccount"]) for one in cluster.of("AWS::EKS::PodIdentityAssociation").values()
    }
    assert found == {
        ("external-secrets", "external-secrets"),
        ("kube-system", "load-balancing"),
        ("monitoring", "monitoring-grafana"),
        ("vault", "vault"),
    }


def test_the_sum_of_all_pods_is_taken_over_every_release(cluster: Cluster) -> None:
    assert set(cluster.charts()) == set(BY_CDK)
    for name, chart in cluster.charts().items():
        assert BY_CDK[name].items() <= chart["Values"].items() or name == "argo-cd"
