"""Deploys our stacks to an AWS emulator and calls what they made.

`python -m tests.real.emulated_aws ASSEMBLY EMULATOR LOG DATABASE` is run in a network namespace of its own, because the
emulator opens ports on all interfaces; the database is on a Unix socket, which is no matter of networks. The answers go
to stdout as JSON. What the emulator does not have is left out of the templates: emulated_templates.py.
"""

import base64
import io
import json
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
import requests

from cdk.grants import NEEDS
from cdk.wiring import FUNCTIONS
from local.issuer import AUDIENCE, Issuer
from tests.certificates import Authority
from tests.real.emulated_templates import ACCOUNT, REGION, adapted, left_out
from tests.real.emulated_workers import answers, park_one, parked_behind

ARCHIVE = "stoa-archive"
EMULATOR = "http://127.0.0.1:4566"
BUCKET = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
SECRET, VIEWER = "of-the-edge", "203.0.113.9"
STACKS = ("network", "workers", "api", "schedules")  # in the order in which they need each other


class Realm(Issuer):
    """Every one of its paths answers with its keys and with where they are."""

    def jwks(self) -> dict[str, Any]:
        return {**super().jwks(), "issuer": self.url, "jwks_uri": f"{self.url}/certs"}


def client(service: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client(service, endpoint_url=EMULATOR, region_name=REGION, **keys)


def main() -> None:
    assembly, emulator, log = (Path(given) for given in sys.argv[1:4])
    database = sys.argv[4]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(log.parent), "BIND_HOST": "127.0.0.1"}
    # it unpacks the layers for each function, and leaves them: 200 MB each time
    with log.open("w") as lines, TemporaryDirectory(ignore_cleanup_errors=True) as unpacked:
        environment["TMPDIR"] = unpacked
        server = subprocess.Popen([emulator], env=environment, stdout=lines, stderr=lines)
        try:
            until_it_answers()
            realm = Realm()
            prepare(assembly)
            sys.stdout.write(json.dumps(said(assembly, realm, database)))
        finally:
            server.terminate()
            server.wait(20)


def said(assembly: Path, realm: Realm, database: str) -> dict[str, Any]:
    where = {
        "AWS_ENDPOINT_URL": EMULATOR,
        "STOA_OIDC_ISSUER_URL": realm.url,
        "STOA_DATABASE_URL": database,
        "STOA_DATABASE_LOGIN": "password",
        "STOA_DATABASE_ROLE": "stoa_worker",
    }
    templates = {name: json.loads(next(assembly.glob(f"dev{name}*.template.json")).read_text()) for name in STACKS}
    deployed = {name: deploy(name, adapted(one, where, realm.url)) for name, one in templates.items()}
    park_one(database)
    return {
        "deployed": deployed,
        "left out": {name: left_out(one) for name, one in templates.items()},
        "api": through_the_api(realm),
        "workers": answers(client("lambda"), functions_by_name()),
        "parked behind": parked_behind(database),
        "archived": archived(),
        "mappings": len(client("lambda").list_event_source_mappings(MaxItems=100)["EventSourceMappings"]),
        "rules": len(client("events").list_rules()["Rules"]),
    }


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
    """What `cdk bootstrap` and people have put there before, what stands around our stacks, and the assets."""
    for name, value in (("/cdk-bootstrap/hnb659fds/version", "30"), ("/stoa/dev/hosted-zone-id", "Z0123456789")):
        client("ssm").put_parameter(Name=name, Value=value, Type="String")
    for name, value in secrets().items():
        client("secretsmanager").create_secret(Name=name, SecretString=value)
    for bucket in (BUCKET, ARCHIVE):
        client("s3").create_bucket(Bucket=bucket)
    assets = {}
    for listed in assembly.glob("dev*.assets.json"):
        for asset in json.loads(listed.read_text())["files"].values():
            (place,) = asset["destinations"].values()
            if asset["source"]["packaging"] == "zip":
                assets[place["objectKey"]] = assembly / asset["source"]["path"]
    for key, folder in assets.items():
        client("s3").put_object(Bucket=BUCKET, Key=key, Body=zipped(folder))


def secrets() -> dict[str, str]:
    """By their names in tests/real/surroundings.py."""
    names = {name for needs in NEEDS.values() for name in needs.secrets} - {"kafka_credentials", "edge_secret"}
    login = json.dumps({"username": "stoa", "password": "of-kafka"})
    return {
        **dict.fromkeys(names, "of-somebody"),
        **{f"kafka-{function.name}": login for function in FUNCTIONS},
        "kafka_ca": json.dumps({"certificate": Authority("Kafka").certificate}),
        "audit_signing_key": base64.urlsafe_b64encode(bytes(32)).decode(),
        "stoa-dev-edge": json.dumps({"1": SECRET}),
    }


def zipped(folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()


def deploy(name: str, template: dict[str, Any]) -> str:
    client("s3").put_object(Bucket=BUCKET, Key=f"{name}.json", Body=json.dumps(template))
    formation, stack = client("cloudformation"), f"stoa-dev-{name}"
    formation.create_stack(
        StackName=stack,
        TemplateURL=f"{EMULATOR}/{BUCKET}/{name}.json",
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        status = str(formation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
        if status == "CREATE_COMPLETE":
            return status
        if status != "CREATE_IN_PROGRESS":
            raise RuntimeError(f"{stack} is {status}: {refusals(formation, stack)}")
        time.sleep(0.1)
    raise TimeoutError(f"{stack} does not come to an end")


def refusals(formation: Any, stack: str) -> list[str]:
    events = formation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    return [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in failed]


def functions_by_name() -> dict[str, str]:
    """What the stacks called the functions, by their names in cdk/wiring.py."""
    listed = (one for page in client("lambda").get_paginator("list_functions").paginate() for one in page["Functions"])
    named = ((one.get("Environment", {}).get("Variables", {}).get("STOA_FUNCTION"), one) for one in listed)
    return {name: one["FunctionName"] for name, one in named if name}


def archived() -> list[str]:
    """The names of the objects in the archive."""
    kept = client("s3").list_objects_v2(Bucket=ARCHIVE).get("Contents", [])
    return sorted(one["Key"] for one in kept)


def through_the_api(realm: Realm) -> dict[str, Any]:
    (api,) = client("apigatewayv2").get_apis()["Items"]
    through = {"x-stoa-edge": SECRET, "x-stoa-viewer": VIEWER}

    def ask(path: str, **headers: str) -> dict[str, Any]:
        sent = {"Host": f"{api['ApiId']}.execute-api.localhost", **headers}
        answer = requests.get(EMULATOR + path, headers=sent, timeout=90)
        return {"status": answer.status_code, "body": answer.json()}

    def bearer(audience: str) -> dict[str, str]:
        token = realm.token("devops", tenant="acme", aud=[audience])
        return {"Authorization": f"Bearer {token}", **through}

    # on a machine that is busy a first start takes longer than API Gateway waits
    deadline = time.monotonic() + 120
    while ask("/health/live", **through)["status"] >= 500 and time.monotonic() < deadline:
        time.sleep(0.5)
    return {
        "past the edge": ask("/health/live"),
        "alive": ask("/health/live", **through),
        "no token": ask("/v1/apis", **through),
        "another audience": ask("/v1/apis", **bearer("somebody-else")),
        "a good token": ask("/v1/apis", **bearer(AUDIENCE)),
    }


if __name__ == "__main__":
    main()
