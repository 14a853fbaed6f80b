"""The public zone of a stage, which somebody made and delegated once."""

from aws_cdk import aws_route53 as route53
from aws_cdk import aws_ssm as ssm
from constructs import Construct

from cdk.stages import StageSettings


def zone_id_parameter(stage: StageSettings) -> str:
    """Where its id is, in each region that the stage uses; CloudFormation reads it when it deploys."""
    return f"/stoa/{stage.name}/hosted-zone-id"


def hosted_zone(scope: Construct, stage: StageSettings) -> route53.IHostedZone:
    zone_id = ssm.StringParameter.value_for_string_parameter(scope, zone_id_parameter(stage))
    return route53.HostedZone.from_hosted_zone_attributes(scope, "Zone", hosted_zone_id=zone_id, zone_name=stage.domain)
