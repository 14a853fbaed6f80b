"""No resource without an owner: synthesis fails on a taggable resource that lacks a mandatory tag."""

import jsii
from aws_cdk import CfnResource, IAspect, Stack, TagManager, Validations
from constructs import IConstruct

MANDATORY = ("project", "environment", "owner", "cost-center", "data-class")
# after the aspects that put tags on: a tag of Tags.of has 200
AFTER_TAGGING = 1000
# the library puts tags on it, the service takes none
UNTAGGED = ("AWS::RDS::DBProxyTargetGroup",)


@jsii.implements(IAspect)
class MandatoryTags:
    """An error on every resource and stack that can carry tags and lacks one, or has it empty."""

    def visit(self, node: IConstruct) -> None:
        """Called by the library for each construct, parents first."""
        if not isinstance(node, CfnResource | Stack):
            return
        manager = TagManager.of(node)
        if manager is None or (isinstance(node, CfnResource) and node.cfn_resource_type in UNTAGGED):
            return
        given = manager.tag_values()
        missing = [key for key in MANDATORY if not given.get(key)]
        if missing:
            Validations.of(node).add_error(
                "stoa:MandatoryTags", f"{node.node.path} lacks the tags {', '.join(missing)}"
            )
