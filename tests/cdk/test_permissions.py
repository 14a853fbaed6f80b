"""What each function's role may do is this table, and nothing else."""

from dataclasses import replace

import pytest

from cdk.grants import NEEDS, needs, readable
from cdk.stacks.permissions import INTERFACES
from cdk.wiring import FUNCTIONS, Function
from tests.cdk.platform import Written
from tests.cdk.surroundings import CLUSTER_KEY, DATA_KEY, PLACE
from tests.cdk.written import allowed, listed, of_kind

HERE = "<Region>:<AccountId>"
TO_DATABASE = ("rds-db:connect", f"arn:<Partition>:rds-db:{HERE}:dbuser:prx-0/stoa_worker")
MAIL = f"arn:<Partition>:ses:{HERE}:identity/dev.stoa.example.com"
DATA, CLUSTER = (key.replace(PLACE, HERE) for key in (DATA_KEY, CLUSTER_KEY))
ARCHIVE = {
    ("s3:GetObject", "arn:<Partition>:s3:::stoa-archive/*"),
    ("s3:PutObject", "arn:<Partition>:s3:::stoa-archive/*"),
    ("s3:ListBucket", "arn:<Partition>:s3:::stoa-archive"),
    ("kms:Decrypt", DATA),
    ("kms:GenerateDataKey", DATA),
}
# beside its own login to Kafka and the CA of the brokers, which each of them has
READS = {
    "api": {
        "webhook_secret", "webhook_signing_secret", "awx_webhook_secret", "artefact_token", "awx_token",
        "opensearch_password", "gateways_vault_token",
    },
    "git_pushes_to_deploy_requests": {"gitlab_token"},
    "deploy_requests_to_awx": {"gitlab_token", "awx_token", "vault_token"},
    "deploy_results_to_status": set(),
    "deploy_results_to_notifications": set(),
    "notifications_to_people": {"channels_vault_token"},
    "api_events_to_argocd": {"argocd_token"},
    "events_to_search": {"opensearch_password"},
    "events_to_archive": {"audit_signing_key"},
    "awx_reconciler": {"awx_token"},
    "gitlab_reconciler": {"gitlab_token"},
    "outbox_relay": set(),
}  # fmt: skip
EDGE = "arn:<Partition>:secretsmanager:us-east-1:<AccountId>:secret:stoa-dev-edge-??????"
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


def own_log(platform: Written, function: str) -> str:
    """Nobody else's: the group that this function writes to."""
    return f"<{platform.functions[function]['LoggingConfig']['LogGroup']['Ref']}.Arn>"


@pytest.mark.parametrize("name", [f.name for f in FUNCTIONS])
def test_a_role_may_do_exactly_what_its_grants_say(platform: Written, name: str) -> None:
    secrets = {f"secret:{secret}" for secret in (*READS[name], f"kafka-{name}", "kafka_ca")}
    read = {("secretsmanager:GetSecretValue", secret) for secret in secrets}
    keys = {("kms:Decrypt", DATA), ("kms:Decrypt", CLUSTER)}
    wanted = {*of_each(own_log(platform, name)), *read, *keys, TO_DATABASE, *MAY.get(name, ())}
    assert allowed(platform.role(name)) == wanted


def test_the_migrations_log_in_as_the_owner_and_read_no_secret(platform: Written) -> None:
    owner = ("rds-db:connect", f"arn:<Partition>:rds-db:{HERE}:dbuser:prx-0/stoa_owner")
    assert allowed(platform.role("migrate")) == {*of_each(own_log(platform, "migrate")), owner}


def test_keys_open_what_services_read_for_the_role_and_the_code_moves_no_network_interface(platform: Written) -> None:
    for function in FUNCTIONS:
        (policy,) = platform.role(function.name)["Policies"]
        statements = policy["PolicyDocument"]["Statement"]
        by_key = [s for s in statements if any(action.startswith("kms:") for action in listed(s["Action"]))]
        assert by_key
        assert all("kms:ViaService" in s["Condition"]["StringLike"] for s in by_key)
        (denied,) = (s for s in statements if s["Effect"] == "Deny")
        assert (denied["Action"], denied["Resource"]) == (list(INTERFACES), "*")
        assert "lambda:SourceFunctionArn" in denied["Condition"]["ArnLike"]


def test_no_statement_elsewhere_has_a_wildcard(platform: Written) -> None:
    """The library's own roles included: what is not a function's role of this page has none, and no policy beside."""
    for name in ("api", "workers", "migrations", "schedules", "edge"):
        assert of_kind(platform.stacks[name], "AWS::IAM::ManagedPolicy") == {}
        for policy in of_kind(platform.stacks[name], "AWS::IAM::Policy").values():
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
