"""What CloudFront lets nobody do, before anything of ours is asked."""

from collections.abc import Sequence

from aws_cdk import aws_wafv2 as waf
from constructs import Construct


def web_acl(scope: Construct, metric: str, rules: Sequence[waf.CfnWebACL.RuleProperty]) -> waf.CfnWebACL:
    """For distributions of CloudFront, in us-east-1; what no rule refuses passes."""
    return waf.CfnWebACL(
        scope,
        "WebAcl",
        scope="CLOUDFRONT",
        default_action=waf.CfnWebACL.DefaultActionProperty(allow={}),
        visibility_config=_counted(metric),
        rules=[*rules],
    )


def at_most(limit: int, priority: int, *, but: str | None = None) -> waf.CfnWebACL.RuleProperty:
    """So many requests in five minutes from one address, those to paths that begin with `but` not counted; 429 as the
    API itself says it."""
    others = waf.CfnWebACL.StatementProperty(not_statement=_not_to(but)) if but else None
    rate = waf.CfnWebACL.RateBasedStatementProperty(limit=limit, aggregate_key_type="IP", scope_down_statement=others)
    refused = waf.CfnWebACL.CustomResponseProperty(response_code=429)
    return waf.CfnWebACL.RuleProperty(
        name="rate",
        priority=priority,
        statement=waf.CfnWebACL.StatementProperty(rate_based_statement=rate),
        action=waf.CfnWebACL.RuleActionProperty(block=waf.CfnWebACL.BlockActionProperty(custom_response=refused)),
        visibility_config=_counted("rate"),
    )


def managed(name: str, priority: int) -> waf.CfnWebACL.RuleProperty:
    """A group of rules that AWS keeps."""
    group = waf.CfnWebACL.ManagedRuleGroupStatementProperty(vendor_name="AWS", name=name)
    return waf.CfnWebACL.RuleProperty(
        name=name,
        priority=priority,
        statement=waf.CfnWebACL.StatementProperty(managed_rule_group_statement=group),
        override_action=waf.CfnWebACL.OverrideActionProperty(none={}),
        visibility_config=_counted(name),
    )


def _not_to(path: str) -> waf.CfnWebACL.NotStatementProperty:
    matched = waf.CfnWebACL.ByteMatchStatementProperty(
        search_string=path,
        positional_constraint="STARTS_WITH",
        field_to_match=waf.CfnWebACL.FieldToMatchProperty(uri_path={}),
        text_transformations=[waf.CfnWebACL.TextTransformationProperty(priority=0, type="NONE")],
    )
    return waf.CfnWebACL.NotStatementProperty(statement=waf.CfnWebACL.StatementProperty(byte_match_statement=matched))


def _counted(name: str) -> waf.CfnWebACL.VisibilityConfigProperty:
    """Without samples: a request may hold a token or a secret."""
    return waf.CfnWebACL.VisibilityConfigProperty(
        cloud_watch_metrics_enabled=True, metric_name=name, sampled_requests_enabled=False
    )
