"""Secrets that only the cluster needs. Values are made or filled in where they lie, never in a template or in Git."""

import json
import re
from pathlib import Path

from aws_cdk import RemovalPolicy, Tags
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.stacks.acknowledged import acknowledge
from cdk.stacks.data import DataStack
from cdk.stacks.findings import BY_HAND
from cdk.stages import StageSettings

OF_FUNCTIONS = "STOA_IDENTITY_CLIENT_SECRET"  # theirs is in the data stack, as plain text
REALM = Path(__file__).resolve().parents[1] / "identity" / "realm.json"


def client_secrets() -> tuple[str, ...]:
    """The placeholders of the realm file that stand for a client's secret, but for that of the functions."""
    return tuple(sorted(set(re.findall(r"\$\{([A-Z_]+_CLIENT_SECRET)\}", REALM.read_text())) - {OF_FUNCTIONS}))


class ClusterSecrets(Construct):
    """`by_name` has those that manifests in Git name `stoa/<stage>/<name>`; the others are of the data stack."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: StageSettings, data: DataStack) -> None:
        super().__init__(scope, construct_id)
        self._stage = stage
        # by its ARN: grants then stay in this stack, instead of reaching back into the policy of the key
        self._key = kms.Key.from_key_arn(self, "DataKey", data.data_key.key_arn)
        made = {
            "kafka-admin": self._password("kafka-admin", "stoa-admin"),
            "keycloak-database": self._password("keycloak-database", "keycloak"),
            "keycloak-admin": self._password("keycloak-admin", "bootstrap"),
            "awx-database": self._password("awx-database", "awx"),
            "awx-admin": self._password("awx-admin", "admin"),
            "opensearch-admin": self._password("opensearch-admin", "admin"),
            "opensearch-logs": self._password("opensearch-logs", "logs"),
            "grafana-admin": self._password("grafana-admin", "admin"),
            "argocd-repository": self._password("argocd-repository", "read-by-the-operator"),
        }
        self.by_name: dict[str, secretsmanager.ISecret] = {
            **made,
            **{one: self._password(_slug(one), _slug(one)) for one in client_secrets()},
        }
        self.master = data.database.secret
        self.kafka = dict(data.kafka_credentials)
        self.shared = (data.secrets["opensearch_password"], data.secrets["keycloak_client_secret"])
        self.kafka_ca = self._authority()

    def let_read_all(self, role: iam.Role) -> None:
        """Everything the cluster needs, and the one that it writes."""
        master = [self.master] if self.master else []
        arns = [secret.secret_arn for secret in (*self.by_name.values(), *self.kafka.values(), *self.shared, *master)]
        ours = self.kafka_ca.secret_arn
        read = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]
        role.add_to_policy(iam.PolicyStatement(actions=read, resources=[*arns, ours]))
        role.add_to_policy(iam.PolicyStatement(actions=["secretsmanager:PutSecretValue"], resources=[ours]))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[self._key.key_arn],
                conditions={"StringEquals": {"kms:ViaService": f"secretsmanager.{role.stack.region}.amazonaws.com"}},
            )
        )

    def _password(self, name: str, username: str) -> secretsmanager.Secret:
        made = secretsmanager.Secret(
            self,
            name,
            secret_name=f"stoa/{self._stage.name}/{name}",
            encryption_key=self._key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps({"username": username}),
                generate_string_key="password",
                password_length=40,
                exclude_punctuation=True,
            ),
        )
        acknowledge(resource_of(made), "AwsSolutions-SMG4", BY_HAND)
        return made

    def _authority(self) -> secretsmanager.Secret:
        """Empty until cert-manager has made the authority and External Secrets has pushed its certificate here.

        External Secrets writes only what carries its tag. Lambda wants the PEM under `certificate`.
        """
        secret = secretsmanager.Secret(
            self,
            "kafka-ca",
            secret_name=f"stoa/{self._stage.name}/kafka-ca",
            description="Who signs the brokers' certificates; public, kept here because event sources read it here",
            encryption_key=self._key,
            generate_secret_string=secretsmanager.SecretStringGenerator(
                secret_string_template=json.dumps({}), generate_string_key="none-yet"
            ),
            removal_policy=RemovalPolicy.DESTROY,
        )
        acknowledge(
            resource_of(secret),
            "AwsSolutions-SMG4",
            "no password: cert-manager renews what it holds, External Secrets writes it",
        )
        Tags.of(secret).add("managed-by", "external-secrets")
        return secret


def resource_of(construct: Construct) -> Construct:
    """The resource of CloudFormation in a construct that is one."""
    found = construct.node.default_child
    assert isinstance(found, Construct)  # noqa: S101  constructs of the library that make one resource have it
    return found


def _slug(placeholder: str) -> str:
    return placeholder.lower().replace("_", "-")
