"""The machines of the cluster and the add-ons that EKS keeps on them."""

from collections.abc import Sequence
from typing import Any

from aws_cdk import CfnResource
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_eks_v2 as eks
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct, IDependable

from cdk.stages import StageSettings

DISK_GIB = 50
# before there are machines: without a network none of them is ever ready
FIRST: dict[str, dict[str, Any]] = {
    "vpc-cni": {"enableNetworkPolicy": "true"},
    "kube-proxy": {},
    "eks-pod-identity-agent": {},
}
AFTER: dict[str, dict[str, Any]] = {"coredns": {}, "aws-ebs-csi-driver": {}}


def add_nodes(
    cluster: eks.Cluster, stage: StageSettings, security_groups: Sequence[ec2.ISecurityGroup], key: kms.Key
) -> IDependable:
    """Returns what everything that runs on the cluster waits for.

    An add-on has the version that EKS made the default for this Kubernetes: those are tested together, and a patch of
    Kubernetes that AWS withdraws an add-on version for does not stop a deployment.
    """
    template = _launch_template(cluster, stage, security_groups, key)
    group = cluster.add_nodegroup_capacity(
        "Nodes",
        ami_type=eks.NodegroupAmiType.AL2023_X86_64_STANDARD,
        instance_types=[ec2.InstanceType(stage.node_type)],
        min_size=stage.nodes,
        desired_size=stage.nodes,
        max_size=stage.nodes,
        max_unavailable=1,
        launch_template_spec=eks.LaunchTemplateSpec(id=template.ref, version=template.attr_latest_version_number),
    )
    for name, configuration in FIRST.items():
        group.node.add_dependency(_addon(cluster, name, configuration))
    waited_for = [_addon(cluster, name, configuration) for name, configuration in AFTER.items()]
    for addon in waited_for:
        addon.node.add_dependency(group)
    return waited_for[-1]


def _addon(cluster: eks.Cluster, name: str, configuration: dict[str, Any]) -> eks.CfnAddon:
    addon = eks.CfnAddon(
        cluster,
        f"Addon-{name}",
        addon_name=name,
        cluster_name=cluster.cluster_name,
        resolve_conflicts="OVERWRITE",
        configuration_values=cluster.stack.to_json_string(configuration) if configuration else None,
    )
    if name == "aws-ebs-csi-driver":
        role = pod_role(cluster, "DisksRole", "Makes, attaches and deletes the disks of the cluster")
        role.add_managed_policy(iam.ManagedPolicy.from_aws_managed_policy_name("service-role/AmazonEBSCSIDriverPolicy"))
        addon.pod_identity_associations = [
            eks.CfnAddon.PodIdentityAssociationProperty(role_arn=role.role_arn, service_account="ebs-csi-controller-sa")
        ]
    return addon


def pod_role(scope: Construct, construct_id: str, description: str) -> iam.Role:
    """A role that pods of this account's clusters may take by EKS Pod Identity."""
    principal = iam.ServicePrincipal("pods.eks.amazonaws.com")
    role = iam.Role(scope, construct_id, description=description, assumed_by=principal)
    trust = role.assume_role_policy
    assert trust is not None  # noqa: S101  a role made here has one
    trust.add_statements(iam.PolicyStatement(principals=[principal], actions=["sts:TagSession"]))
    return role


def associate(cluster: eks.Cluster, role: iam.Role, namespace: str, service_account: str) -> CfnResource:
    """Gives the role to one service account; the pods start with it only when this was there before them."""
    return eks.CfnPodIdentityAssociation(
        role,
        f"For-{namespace}-{service_account}",
        cluster_name=cluster.cluster_name,
        namespace=namespace,
        service_account=service_account,
        role_arn=role.role_arn,
    )


def _launch_template(
    cluster: eks.Cluster, stage: StageSettings, security_groups: Sequence[ec2.ISecurityGroup], key: kms.Key
) -> ec2.CfnLaunchTemplate:
    """Encrypted disks, and instance credentials out of the reach of pods: they have their own, by Pod Identity."""
    tags = [{"key": name, "value": value} for name, value in sorted(stage.tags.items())]
    specifications = [
        ec2.CfnLaunchTemplate.TagSpecificationProperty(resource_type=kind, tags=tags)
        for kind in ("instance", "volume", "network-interface")
    ]
    disk = ec2.CfnLaunchTemplate.EbsProperty(
        volume_size=DISK_GIB, volume_type="gp3", encrypted=True, kms_key_id=key.key_arn, delete_on_termination=True
    )
    _let_auto_scaling_use(key)
    return ec2.CfnLaunchTemplate(
        cluster,
        "Machines",
        launch_template_data=ec2.CfnLaunchTemplate.LaunchTemplateDataProperty(
            security_group_ids=[group.security_group_id for group in security_groups],
            block_device_mappings=[ec2.CfnLaunchTemplate.BlockDeviceMappingProperty(device_name="/dev/xvda", ebs=disk)],
            metadata_options=ec2.CfnLaunchTemplate.MetadataOptionsProperty(
                http_tokens="required", http_put_response_hop_limit=1
            ),
            tag_specifications=specifications,
        ),
    )


def _let_auto_scaling_use(key: kms.Key) -> None:
    """The service-linked role of Auto Scaling starts the machines, so their disks' key must know it."""
    account = key.stack.account
    starter = f"arn:{key.stack.partition}:iam::{account}:role/aws-service-role/autoscaling.amazonaws.com/"
    role = iam.ArnPrincipal(f"{starter}AWSServiceRoleForAutoScaling")
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[role],
            actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
            resources=["*"],  # a key's policy speaks of that key only
        )
    )
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[role],
            actions=["kms:CreateGrant"],
            resources=["*"],
            conditions={"Bool": {"kms:GrantIsForAWSResource": "true"}},
        )
    )
