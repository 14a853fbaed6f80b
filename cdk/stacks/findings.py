"""Findings of cdk-nag on the cluster, each accepted on the one construct that it is found on, with the reason."""

from aws_cdk import Stack
from constructs import Construct

from cdk.stacks.acknowledged import acknowledge

AWS = "arn:<AWS::Partition>:iam::aws:policy/"
HANDLER = "Cluster/KubectlProvider/Handler"
FRAMEWORK = "Cluster/KubectlProvider/Provider/framework-onEvent"
MADE_BY_CDK = "made by the CDK library for its own handler, which speaks to the cluster's private endpoint"
MACHINES = "what EKS documents that machines of a node group need; AWS keeps it in step with EKS"
BY_HAND = "its system must learn of a new password at the same moment: docs/deploy.md says how"
PASSES_THROUGH = "a network load balancer logs only TLS that ends at it; this one passes it through, flow logs have it"

# by path below the stack: the finding with its detail, and why it stands
ACCEPTED: dict[str, dict[str, str]] = {
    "Cluster/Role/Resource": {
        f"IAM4[Policy::{AWS}AmazonEKSClusterPolicy]": "what EKS documents that its control plane needs",
    },
    f"{HANDLER}/ServiceRole/Resource": {
        f"IAM4[Policy::{AWS}service-role/AWSLambdaBasicExecutionRole]": MADE_BY_CDK,
        f"IAM4[Policy::{AWS}service-role/AWSLambdaVPCAccessExecutionRole]": MADE_BY_CDK,
        f"IAM4[Policy::{AWS}AmazonEC2ContainerRegistryReadOnly]": MADE_BY_CDK,
        'IAM4[Policy::{"Fn::If":["ClusterKubectlProviderHandlerHasEcrPublic69E09706",{"Fn::Join":["",["arn:",'
        '{"Ref":"AWS::Partition"},":iam::aws:policy/AmazonElasticContainerRegistryPublicReadOnly"]]},'
        '{"Ref":"AWS::NoValue"}]}]': MADE_BY_CDK,
    },
    f"{HANDLER}/Resource": {"L1": "the runtime is the library's choice, tested with its handler"},
    f"{FRAMEWORK}/ServiceRole/Resource": {
        f"IAM4[Policy::{AWS}service-role/AWSLambdaBasicExecutionRole]": MADE_BY_CDK,
        f"IAM4[Policy::{AWS}service-role/AWSLambdaVPCAccessExecutionRole]": MADE_BY_CDK,
    },
    f"{FRAMEWORK}/ServiceRole/DefaultPolicy/Resource": {
        "IAM5[Resource::<ClusterKubectlProviderHandler2E05C68A.Arn>:*]": "versions of the library's own handler",
    },
    "Cluster/NodegroupNodes/NodeGroupRole/Resource": {
        f"IAM4[Policy::{AWS}AmazonEKSWorkerNodePolicy]": MACHINES,
        f"IAM4[Policy::{AWS}AmazonEKS_CNI_Policy]": MACHINES,
        f"IAM4[Policy::{AWS}AmazonEC2ContainerRegistryReadOnly]": MACHINES,
    },
    "Cluster/DisksRole/Resource": {
        f"IAM4[Policy::{AWS}service-role/AmazonEBSCSIDriverPolicy]": "what EKS documents that the add-on needs",
    },
    "Charts/BalancingRole/DefaultPolicy/Resource": {
        "IAM5[Resource::*]": "Describe actions of EC2 and load balancing have no resource-level permission",
    },
    "Platform/GrafanaRole/DefaultPolicy/Resource": {
        "IAM5[Resource::*]": "reading metrics of CloudWatch has no resource-level permission",
    },
    "Entrances/Logs/Resource": {"S1": "it holds the access logs of load balancers, and nothing reads or writes others"},
    "Entrances/PublicGroup/Resource": {"EC23": "people sign in from anywhere; 443 alone is open, to sign-in alone"},
    **{f"Kafka/Balancer{number}/Resource": {"ELB2": PASSES_THROUGH} for number in range(3)},
}


def accept_findings(stack: Stack) -> None:
    """Raises KeyError when a construct of the list is no longer there, so that no acceptance outlives its finding."""
    for path, findings in ACCEPTED.items():
        for finding, reason in findings.items():
            acknowledge(at(stack, path), f"AwsSolutions-{finding}", reason)


def at(stack: Stack, path: str) -> Construct:
    """The construct at `path` below the stack. Raises KeyError when there is none."""
    found: Construct = stack
    for step in path.split("/"):
        child = found.node.try_find_child(step)
        if not isinstance(child, Construct):
            raise KeyError(path)
        found = child
    return found
