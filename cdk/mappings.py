"""No event source may lose what it was told to keep: synthesis fails on a mapping with the hidden limit of Lambda."""

import jsii
from aws_cdk import IAspect, Validations
from aws_cdk import aws_lambda as lambda_
from constructs import IConstruct

FOR_EVER = -1


@jsii.implements(IAspect)
class NoHiddenLimit:
    """An error on every mapping that retries for ever, as it does unless told otherwise, and has an on-failure
    destination: with one, Lambda stops after ten attempts, and nothing says so."""

    def visit(self, node: IConstruct) -> None:
        """Called by the library for each construct."""
        if not isinstance(node, lambda_.CfnEventSourceMapping) or node.destination_config is None:
            return
        if node.maximum_retry_attempts in (None, FOR_EVER):
            Validations.of(node).add_error(
                "stoa:NoHiddenLimit", f"{node.node.path} retries for ever and has a destination, which ends that at ten"
            )
