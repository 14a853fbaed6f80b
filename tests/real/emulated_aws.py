"""Deploys the API's stack to an AWS emulator and calls it: `python -m tests.real.emulated_aws ASSEMBLY EMULATOR LOG`.

It is run in a network namespace of its own, because the emulator opens ports on all interfaces. The answers go to
stdout as JSON. What the emulator does not have is left out of the template.
"""

import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import boto3
import requests

from tests.issuer import AUDIENCE, Issuer

EMULATOR = "http://127.0.0.1:4566"
REGION, ACCOUNT = "us-east-1", "000000000000"
BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
SECRET, VIEWER = "of-the-edge", "203.0.113.9"
ABSENT = {
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::CertificateManager::Certificate",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Route53::RecordSet",
}


class Realm(Issuer):
    """Every one of its paths answers with its keys and with where they are."""

    def jwks(self) -> dict[str, Any]:
        return {**super().jwks(), "issuer": self.url, "jwks_uri": f"{self.url}/certs"}


def client(service: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, endpoint_url=EMULATOR, region_name=REGION, **keys)


def main() -> None:
    assembly, emulator, log = (Path(given) for given in sys.argv[1:])
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(log.parent), "BIND_HOST": "127.0.0.1"}
    with log.open("w") as lines:
        server = subprocess.Popen([emulator], env=environment, stdout=lines, stderr=lines)
        try:
            until_it_answers()
            realm = Realm()
            prepare(assembly)
            status = deploy(adapted(json.loads(next(assembly.glob("devapi*.template.json")).read_text()), realm.url))
            sys.stdout.write(json.dumps({"deployed": status, "answers": answers(realm)}))
        finally:
            server.terminate()
            server.wait(20)


def until_it_answers() -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            requests.get(EMULATOR, timeout=2)
        except requests.RequestException:
            time.sleep(0.2)
            continue
        return
    raise TimeoutError("the emulator does not answer")


def prepare(assembly: Path) -> None:
    """What `cdk bootstrap` and people have put there before, and the assets."""
    for name, value in (("/cdk-bootstrap/hnb659fds/version", "30"), ("/stoa/dev/hosted-zone-id", "Z0123456789")):
        client("ssm").put_parameter(Name=name, Value=value, Type="String")
    client("secretsmanager").create_secret(Name="stoa-dev-edge", SecretString=SECRET)
    client("s3").create_bucket(Bucket=BUCKET)
    listed = json.loads(next(assembly.glob("devapi*.assets.json")).read_text())["files"].values()
    for asset in (one for one in listed if one["source"]["packaging"] == "zip"):
        (place,) = asset["destinations"].values()
        client("s3").put_object(Bucket=BUCKET, Key=place["objectKey"], Body=zipped(assembly / asset["source"]["path"]))


def zipped(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()


def adapted(template: dict[str, Any], issuer: str) -> dict[str, Any]:
    kept = {name: one for name, one in template["Resources"].items() if one["Type"] not in ABSENT}
    gone = set(template["Resources"]) - set(kept)
    resources = without({**template, "Resources": kept}, gone)["Resources"]
    for one in resources.values():
        properties = one.get("Properties", {})
        if one["Type"] == "AWS::ApiGatewayV2::Authorizer":
            properties["JwtConfiguration"]["Issuer"] = issuer
        if one["Type"] == "AWS::ApiGatewayV2::Api":
            properties["DisableExecuteApiEndpoint"] = False  # the emulator has no other name for it
        if one["Type"] == "AWS::Lambda::Function":
            properties["Environment"]["Variables"]["AWS_ENDPOINT_URL"] = EMULATOR
        one.pop("UpdatePolicy", None)  # of CodeDeploy
    return {**template, "Resources": resources, "Rules": {}}


def without(value: Any, gone: set[str]) -> Any:
    """References to what is gone, or in another stack, are names of nothing."""
    if isinstance(value, list):
        return [without(one, gone) for one in value]
    if not isinstance(value, dict):
        return value
    if "Fn::ImportValue" in value or value.get("Ref") in gone or (value.get("Fn::GetAtt") or [None])[0] in gone:
        return "subnet-0123456789abcdef0"
    return {name: without(one, gone) for name, one in value.items() if name != "DependsOn"}


def deploy(template: dict[str, Any]) -> str:
    client("s3").put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(template))
    formation = client("cloudformation")
    formation.create_stack(
        StackName="stoa-dev-api",
        TemplateURL=f"{EMULATOR}/{BUCKET}/template.json",
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    formation.get_waiter("stack_create_complete").wait(
        StackName="stoa-dev-api", WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    return str(formation.describe_stacks(StackName="stoa-dev-api")["Stacks"][0]["StackStatus"])


def answers(realm: Realm) -> dict[str, Any]:
    (api,) = client("apigatewayv2").get_apis()["Items"]
    through = {"x-stoa-edge": SECRET, "x-stoa-viewer": VIEWER}

    def ask(path: str, **headers: str) -> dict[str, Any]:
        sent = {"Host": f"{api['ApiId']}.execute-api.localhost", **headers}
        answer = requests.get(EMULATOR + path, headers=sent, timeout=90)
        return {"status": answer.status_code, "body": answer.json()}

    def bearer(audience: str) -> dict[str, str]:
        token = realm.token("devops", tenant="acme", aud=[audience])
        return {"Authorization": f"Bearer {token}", **through}

    return {
        "past the edge": ask("/health/live"),
        "alive": ask("/health/live", **through),
        "no token": ask("/v1/apis", **through),
        "another audience": ask("/v1/apis", **bearer("somebody-else")),
        "a good token": ask("/v1/apis", **bearer(AUDIENCE)),
    }


if __name__ == "__main__":
    main()
