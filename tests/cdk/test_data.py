import json
import random
import re
import string
from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

import pytest
from aws_cdk.assertions import Template

from cdk.stacks.credentials import CHOSEN, GIVEN, LETTERS
from cdk.stacks.database import OWNER, USER
from cdk.stacks.kafka_access import kafka_users, resource_name
from cdk.stages import StageName
from stoa.adapters.signing import SigningKey
from stoa.kernel.settings import Secret, Settings
from tests.cdk.standins import only, properties
from tests.cdk.written import SYNTHESISED, Written, of_kind

Templates = Callable[..., Template]
NAMES = [stage.name for stage in SYNTHESISED]
SIZES = {"dev": ("db.t4g.medium", "20"), "prod": ("db.m7g.large", "100")}
LOCKS = {"dev": "GOVERNANCE", "prod": "COMPLIANCE"}
# the address of the database holds no password on AWS; what Kafka takes is one per function or made by the cluster,
# and what the edge sends is made in its own region
ELSEWHERE = {"database_url", "kafka_credentials", "kafka_ca", "edge_secret"}


def secrets(data: Template) -> dict[str, dict[str, Any]]:
    return {
        one["Name"].partition("/")[2].partition("/")[2]: one for one in properties(data, "AWS::SecretsManager::Secret")
    }


def keys_of(value: Any) -> Iterator[str]:
    """Of objects at any depth."""
    if isinstance(value, dict):
        yield from value
        yield from (key for inner in value.values() for key in keys_of(inner))
    elif isinstance(value, list):
        yield from (key for inner in value for key in keys_of(inner))


@pytest.mark.parametrize("stage", NAMES)
def test_postgresql_stands_in_two_zones_encrypted_and_protected(template: Templates, stage: str) -> None:
    data = template(stage, "data")
    size, gib = SIZES[stage]
    wanted = {
        "DBInstanceClass": size,
        "AllocatedStorage": gib,
        "MaxAllocatedStorage": int(gib) * 5,
        "Engine": "postgres",
        "EngineVersion": "17.9",
        "MultiAZ": True,
        "StorageType": "gp3",
        "StorageEncrypted": True,
        "EnableIAMDatabaseAuthentication": True,
        "ManageMasterUserPassword": True,
        "MasterUsername": OWNER,
        "BackupRetentionPeriod": 14,
        "CopyTagsToSnapshot": True,
        "DeleteAutomatedBackups": False,
        "DeletionProtection": True,
        "PubliclyAccessible": False,
        "PerformanceInsightsRetentionPeriod": 7,
    }
    found = only(data, "AWS::RDS::DBInstance")
    assert {name: found[name] for name in wanted} == wanted
    key = {"Fn::GetAtt": [next(iter(data.find_resources("AWS::KMS::Key"))), "Arn"]}
    assert found["KmsKeyId"] == found["PerformanceInsightsKMSKeyId"] == found["MasterUserSecret"]["KmsKeyId"] == key
    subnets = json.dumps(only(data, "AWS::RDS::DBSubnetGroup")["SubnetIds"])
    assert (subnets.count("PrivateSubnet1"), subnets.count("PrivateSubnet2"), subnets.count("Public")) == (1, 1, 0)
    parameters = only(data, "AWS::RDS::DBParameterGroup")["Parameters"]
    assert (parameters["rds.force_ssl"], parameters["log_parameter_max_length"]) == ("1", "0")


def test_the_logs_of_postgresql_are_there_before_rds_would_make_them(template: Templates) -> None:
    data = template("prod", "data")
    (instance,) = data.find_resources("AWS::RDS::DBInstance").values()
    exported = instance["Properties"]["EnableCloudwatchLogsExports"]
    groups = data.find_resources("AWS::Logs::LogGroup")
    assert set(groups) <= set(instance["DependsOn"])
    kept = {(g["Properties"]["LogGroupName"], g["Properties"]["RetentionInDays"]) for g in groups.values()}
    assert kept == {(f"/aws/rds/instance/stoa-prod/{name}", 365) for name in exported}
    assert instance["Properties"]["DBInstanceIdentifier"] == "stoa-prod"


def test_nobody_gets_past_the_proxy_without_iam_and_tls(template: Templates) -> None:
    data = template("dev", "data")
    proxy = only(data, "AWS::RDS::DBProxy")
    assert (proxy["RequireTLS"], proxy["DefaultAuthScheme"]) == (True, "IAM_AUTH")
    owner = {"Fn::GetAtt": [next(iter(data.find_resources("AWS::RDS::DBInstance"))), "MasterUserSecret.SecretArn"]}
    assert proxy["Auth"] == [{"AuthScheme": "SECRETS", "IAMAuth": "REQUIRED", "SecretArn": owner}]
    assert "ProxyGroup" in json.dumps(proxy["VpcSecurityGroupIds"])
    assert "DatabaseGroup" in json.dumps(only(data, "AWS::RDS::DBInstance")["VPCSecurityGroups"])
    pool = only(data, "AWS::RDS::DBProxyTargetGroup")["ConnectionPoolConfigurationInfo"]
    assert pool == {"ConnectionBorrowTimeout": 10, "MaxConnectionsPercent": 80}


def test_the_proxy_may_log_in_as_the_functions_do_and_read_the_owner_s_secret(template: Templates) -> None:
    (policy,) = (p for p in properties(template("dev", "data"), "AWS::IAM::Policy") if "ProxyRole" in p["PolicyName"])
    allowed = [
        (one["Action"], json.dumps(one["Resource"]).rpartition("/")[2]) for one in policy["PolicyDocument"]["Statement"]
    ]
    assert [action for action, _ in allowed] == [
        "rds-db:connect",
        ["secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"],
        "kms:Decrypt",
    ]
    assert allowed[0][1].startswith(f'{USER}"')
    assert "*" not in json.dumps(policy)


@pytest.mark.parametrize("stage", NAMES)
def test_the_archive_is_locked_for_a_year_and_forgets_nothing(template: Templates, stage: str) -> None:
    data = template(stage, "data")
    (bucket,) = (b for b in properties(data, "AWS::S3::Bucket") if b.get("ObjectLockEnabled"))
    assert bucket["ObjectLockConfiguration"] == {
        "ObjectLockEnabled": "Enabled",
        "Rule": {"DefaultRetention": {"Mode": LOCKS[stage], "Days": 365}},
    }
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    (rule,) = bucket["LifecycleConfiguration"]["Rules"]
    assert "ExpirationInDays" not in rule
    assert [(t["StorageClass"], t["TransitionInDays"]) for t in rule["Transitions"]] == [
        ("STANDARD_IA", 90),
        ("GLACIER_IR", 365),
    ]
    (encryption,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert encryption["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    assert bucket["LoggingConfiguration"]["LogFilePrefix"] == "archive/"


def test_every_bucket_is_closed_and_takes_tls_1_2_only(template: Templates) -> None:
    closed = {"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"}
    for stack in ("data", "web"):
        made = template("dev", stack)
        buckets = made.find_resources("AWS::S3::Bucket")
        open_ones = [
            n for n, b in buckets.items()
            if b["Properties"].get("PublicAccessBlockConfiguration") != dict.fromkeys(closed, True)
        ]  # fmt: skip
        policies = {p["Bucket"]["Ref"]: p for p in properties(made, "AWS::S3::BucketPolicy")}
        denied = [json.dumps(p["PolicyDocument"]) for p in policies.values()]
        assert (open_ones, set(policies)) == ([], set(buckets))
        assert all('"aws:SecureTransport": "false"' in p and '"s3:TlsVersion": 1.2' in p for p in denied)


def test_everything_at_rest_is_encrypted(stages: dict[StageName, Written]) -> None:
    needed = {
        "AWS::S3::Bucket": "BucketEncryption",
        "AWS::Logs::LogGroup": "KmsKeyId",
        "AWS::SecretsManager::Secret": "KmsKeyId",
        "AWS::SNS::Topic": "KmsMasterKeyId",
        "AWS::RDS::DBInstance": "KmsKeyId",
        "AWS::Backup::BackupVault": "EncryptionKeyArn",
        "AWS::KMS::Key": "EnableKeyRotation",
    }
    found = {
        (written.stage.name, stack, name): r
        for written in stages.values()
        for stack, made in written.stacks.items()
        for name, r in made["Resources"].items()
    }
    checked = {where: r for where, r in found.items() if r["Type"] in needed}
    assert {r["Type"] for r in checked.values()} == set(needed)
    without = [where for where, r in checked.items() if not r["Properties"].get(needed[r["Type"]])]
    # by the key of Secrets Manager: the secret of the edge is in a region of its own, where no key of ours is
    assert [(stage, stack) for stage, stack, _ in without] == [(stage, "edge") for stage in stages]
    assert {checked[where]["Type"] for where in without} == {"AWS::SecretsManager::Secret"}


def test_removing_the_data_stack_removes_no_data(template: Templates) -> None:
    kept = {
        "AWS::RDS::DBInstance", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::SecretsManager::Secret",
        "AWS::Backup::BackupVault", "AWS::Logs::LogGroup",
    }  # fmt: skip
    found = template("prod", "data").to_json()["Resources"]
    assert kept <= {r["Type"] for r in found.values()}
    lost = [
        n for n, r in found.items()
        if r["Type"] in kept and (r.get("DeletionPolicy"), r.get("UpdateReplacePolicy")) != ("Retain", "Retain")
    ]  # fmt: skip
    assert lost == []


def test_backups_are_kept_beside_those_of_rds_and_nobody_shortens_that(template: Templates) -> None:
    data = template("prod", "data")
    rules = only(data, "AWS::Backup::BackupPlan")["BackupPlan"]["BackupPlanRule"]
    assert {(r["RuleName"], r["ScheduleExpression"], r["Lifecycle"]["DeleteAfterDays"]) for r in rules} == {
        ("daily", "cron(30 5 * * ? *)", 35),
        ("monthly", "cron(30 6 1 * ? *)", 365),
    }
    assert only(data, "AWS::Backup::BackupVault")["LockConfiguration"] == {"MinRetentionDays": 35}
    (instance,) = data.find_resources("AWS::RDS::DBInstance")
    selected = only(data, "AWS::Backup::BackupSelection")["BackupSelection"]["Resources"]
    assert len(selected) == 1
    assert instance in json.dumps(selected)


def test_each_secret_of_the_settings_is_kept_under_its_name(template: Templates) -> None:
    wanted = {field.name for field in fields(Settings) if field.type is Secret} - ELSEWHERE
    assert set(CHOSEN) | set(GIVEN) == wanted
    kafka = {f"kafka/{function.name}" for function in kafka_users()}
    assert set(secrets(template("dev", "data"))) == wanted | kafka


def test_who_makes_a_value_up_and_who_waits_for_one(template: Templates) -> None:
    found = secrets(template("dev", "data"))
    for name in CHOSEN:
        assert found[name]["GenerateSecretString"] == {"ExcludePunctuation": True, "PasswordLength": LETTERS}
    for name in GIVEN:
        assert "GenerateSecretString" not in found[name]
    for function in kafka_users():
        made = found[f"kafka/{function.name}"]["GenerateSecretString"]
        assert json.loads(made["SecretStringTemplate"]) == {"username": resource_name(function.name)}
        assert (made["GenerateStringKey"], made["PasswordLength"]) == ("password", LETTERS)


def test_letters_and_digits_are_a_key_that_signs() -> None:
    letters = "".join(random.choices(string.ascii_letters + string.digits, k=LETTERS))
    assert len(SigningKey(Secret(letters)).sign(b"x")) == 64


def test_no_template_holds_the_value_of_a_secret(stages: dict[StageName, Written]) -> None:
    """CloudFront cannot read one itself: CloudFormation gives it what the edge sends, and nothing else to anybody."""
    resolved = {}
    for written in stages.values():
        for stack, made in written.stacks.items():
            assert {"SecretString", "MasterUserPassword", "Password"} & set(keys_of(made)) == set()
            resolved[written.stage.name, stack] = json.dumps(made).count("{{resolve:secretsmanager")
    assert {where: times for where, times in resolved.items() if times} == dict.fromkeys(
        [(name, "edge") for name in stages], 1
    )


def test_functions_of_a_later_stack_have_rights_without_the_data_knowing_them(dev: Written) -> None:
    """A right that changed the key or the bucket here would make two stacks wait for each other."""
    data = dev.stacks["data"]
    assert set(re.findall(r'"Fn::ImportValue": "([a-z-]+):', json.dumps(data))) == {"stoa-dev-network"}
    (key,) = of_kind(data, "AWS::KMS::Key").values()
    (readers,) = (one for one in key["KeyPolicy"]["Statement"] if one["Principal"] == {"AWS": "*"})
    assert readers["Action"] == "kms:Decrypt"
    assert set(readers["Condition"]["StringEquals"]) == {"kms:CallerAccount", "kms:ViaService"}
