"""What each function's role may do is this table, and nothing else."""

from dataclasses import replace

import pytest

from cdk.grants import NEEDS, needs, readable
from cdk.stacks.permissions import INTERFACES
from cdk.wiring import FUNCTIONS, Function
from tests.cdk.written import Written, listed, of_kind

HERE = "<Region>:<AccountId>"
PROXY = "<data:DatabaseProxy.DBProxyArn>[6]"
TO_DATABASE = ("rds-db:connect", f"arn:<Partition>:rds-db:{HERE}:dbuser:{PROXY}/stoa_worker")
MAIL = f"arn:<Partition>:ses:{HERE}:identity/dev.stoa.example.com"
KEY = "<data:DataKey.Arn>"
ARCHIVE = {
    ("s3:GetObject", "<data:ArchiveBucket.Arn>/*"),
    ("s3:PutObject", "<data:ArchiveBucket.Arn>/*"),
    ("s3:ListBucket", "<data:ArchiveBucket.Arn>"),
    ("kms:Decrypt", KEY),
    ("kms:GenerateDataKey", KEY),
}
# beside its own login to Kafka and the CA of the brokers, which each of them has but those that speak to no broker
READS = {
    "api": {
        "webhook_secret", "webhook_signing_secret", "awx_webhook_secret", "artefact_token", "awx_token",
        "systems_vault_token", "opensearch_password", "gateways_vault_token", "keycloak_client_secret",
    },
    "api_changes_to_gitlab": {"gitlab_token", "systems_vault_token"},
    "git_pushes_to_deploy_requests": {"gitlab_token", "systems_vault_token"},
    "deploy_requests_to_awx": {"gitlab_token", "awx_token", "systems_vault_token", "vault_token"},
    "deploy_results_to_status": set(),
    "deploy_results_to_notifications": set(),
    "notifications_to_people": {"channels_vault_token"},
    "api_events_to_argocd": {"argocd_token"},
    "events_to_search": {"opensearch_password"},
    "events_to_archive": {"audit_signing_key"},
    "awx_reconciler": {"awx_token", "systems_vault_token"},
    "gitlab_reconciler": {"gitlab_token", "systems_vault_token"},
    "keycloak_reconciler": {"keycloak_client_secret"},
    "outbox_relay": set(),
    "nightly_cleanup": set(),
}  # fmt: skip
EDGE = "arn:<Partition>:secretsmanager:us-east-1:<AccountId>:secret:stoa-dev-edge-??????"
SILENT = {"nightly_cleanup"}
MAY = {
    "api": {("secretsmanager:GetSecretValue", EDGE)},
    "notifications_to_people": {("ses:SendEmail", MAIL), ("ses:SendRawEmail", MAIL)},
    "events_to_archive": ARCHIVE,
}  # fmt: skip


def of_each(log: str) -> set[tuple[str, str]]:
    return {
        ("logs:CreateLogStream", log),
        ("logs:PutLogEvents", log),
        ("xray:PutTelemetryRecords", "*"),
        ("xray:PutTraceSegments", "*"),
        *((action, "*") for action in INTERFACES),
    }


def own_log(dev: Written, function: str) -> str:
    """Nobody else's: the group that this function writes to."""
    return f"<{dev.functions[function]['LoggingConfig']['LogGroup']['Ref']}.Arn>"


@pytest.mark.parametrize("name", [f.name for f in FUNCTIONS])
def test_a_role_may_do_exactly_what_its_grants_say(dev: Written, name: str) -> None:
    kafka = () if name in SILENT else (f"kafka/{name}", "kafka-ca")
    secrets = {f"secret:{secret}" for secret in (*READS[name], *kafka)}
    read = {("secretsmanager:GetSecretValue", secret) for secret in secrets}
    opened = {("kms:Decrypt", KEY)} if read else set()
    wanted = {*of_each(own_log(dev, name)), *read, *opened, TO_DATABASE, *MAY.get(name, ())}
    assert dev.allowed(dev.role(name)) == wanted


def test_the_migrations_log_in_as_the_owner_and_read_no_secret(dev: Written) -> None:
    owner = ("rds-db:connect", f"arn:<Partition>:rds-db:{HERE}:dbuser:{PROXY}/stoa_owner")
    assert dev.allowed(dev.role("migrate")) == {*of_each(own_log(dev, "migrate")), owner}


def test_keys_open_what_services_read_for_the_role_and_the_code_moves_no_network_interface(dev: Written) -> None:
    for function in FUNCTIONS:
        (policy,) = dev.role(function.name)["Policies"]
        statements = policy["PolicyDocument"]["Statement"]
        by_key = [s for s in statements if any(action.startswith("kms:") for action in listed(s["Action"]))]
        assert bool(by_key) is (function.name not in SILENT)
        assert all("kms:ViaService" in s["Condition"]["StringLike"] for s in by_key)
        (denied,) = (s for s in statements if s["Effect"] == "Deny")
        assert (denied["Action"], denied["Resource"]) == (list(INTERFACES), "*")
        assert "lambda:SourceFunctionArn" in denied["Condition"]["ArnLike"]


def test_no_statement_elsewhere_has_a_wildcard(dev: Written) -> None:
    """The library's own roles included: what is not a function's role of this page has none, and no policy beside."""
    for name in ("api", "workers", "migrations", "schedules", "edge"):
        assert of_kind(dev.stacks[name], "AWS::IAM::ManagedPolicy") == {}
        for policy in of_kind(dev.stacks[name], "AWS::IAM::Policy").values():
            for statement in policy["PolicyDocument"]["Statement"]:
                assert "*" not in listed(statement["Action"]) + listed(statement["Resource"]), policy


def test_an_unknown_grant_stops_the_synthesis() -> None:
    declared = replace(FUNCTIONS[0], grants=(*FUNCTIONS[0].grants, "jira"))
    with pytest.raises(ValueError, match="jira"):
        needs(declared)


def test_every_grant_is_used_and_every_function_has_one() -> None:
    assert {grant for f in FUNCTIONS for grant in f.grants} == set(NEEDS)
    assert set(READS) == {f.name for f in FUNCTIONS}


def test_who_reads_a_topic_reads_its_login_as_well() -> None:
    silent = Function("silent", "reads", sources=FUNCTIONS[1].sources)
    assert (needs(silent).secrets, readable(silent)) == ((), ("kafka_credentials", "kafka_ca"))
