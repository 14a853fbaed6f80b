"""The secrets that functions read, by the names that kernel/settings.py gives them. No value is in a template."""

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from aws_cdk import CfnResource, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_secretsmanager as secretsmanager
from constructs import Construct

from cdk.stacks.acknowledged import acknowledge
from cdk.stages import StageSettings

# Ours to choose: Secrets Manager makes them up. 43 letters and digits are 32 bytes in base64url, which the signing key
# has to be, and 250 bits of chance.
CHOSEN = MappingProxyType(
    {
        "webhook_secret": "what GitLab sends in X-Gitlab-Token",
        "awx_webhook_secret": "what AWX sends in X-Stoa-Token",
        "artefact_token": "what playbooks read artefacts with",
        "opensearch_password": "of the user STOA_OPENSEARCH_USER",
        "keycloak_client_secret": "of the realm's client stoa-identity, which administers its users",
        "audit_signing_key": "Ed25519, signs the checkpoints of the audit chain",
    }
)
LETTERS = 43

# Made by another system, and written here by a person (docs/runbooks.md, "A secret is missing or replaced").
GIVEN = MappingProxyType(
    {
        "gitlab_token": "reads and writes the projects of APIs",
        "webhook_signing_secret": "whsec_..., with which GitLab signs its webhooks",
        "awx_token": "launches and reads jobs",
        "argocd_token": "syncs and reads applications",
        "vault_token": "reads secret/subkeys",
        "systems_vault_token": "reads secret/systems, where the tokens of AWX and GitLab may be kept",
        "channels_vault_token": "reads secret/channels",
        "gateways_vault_token": "reads secret/gateways",
    }
)

BOTH_ENDS = "The other end holds the same value and does not ask us for it: both are changed together, by a person."
ISSUED = "Another system issues it, and we have no right there to issue another one."


class Credentials(Construct):
    """`secrets` by field of Settings, `kafka` by function: `{"username": ..., "password": ...}`.

    Their key is named by its ARN, so that the library adds no reader to its policy: see stacks/data.py.
    A secret that nobody has written yet has no version at all, so that whoever reads it finds nothing, and not a value
    that some system refuses.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: StageSettings, key: kms.IKey, functions: Iterable[str]
    ) -> None:
        super().__init__(scope, construct_id)
        self._folder = f"stoa/{stage.name}"
        self._key = kms.Key.from_key_arn(self, "Key", key.key_arn)
        chosen = {name: self._chosen(name, says) for name, says in CHOSEN.items()}
        given = {name: self._given(name, says) for name, says in GIVEN.items()}
        self.secrets: Mapping[str, secretsmanager.ISecret] = MappingProxyType(chosen | given)
        self.kafka: Mapping[str, secretsmanager.ISecret] = MappingProxyType(
            {function: self._kafka(function) for function in functions}
        )

    def _chosen(self, name: str, says: str) -> secretsmanager.ISecret:
        made = secretsmanager.SecretStringGenerator(password_length=LETTERS, exclude_punctuation=True)
        return self._secret(name, says, made, BOTH_ENDS)

    def _given(self, name: str, says: str) -> secretsmanager.ISecret:
        secret = self._secret(name, says, None, ISSUED)
        resource = secret.node.default_child
        assert isinstance(resource, CfnResource)  # noqa: S101  it is an AWS::SecretsManager::Secret
        resource.add_property_deletion_override("GenerateSecretString")
        return secret

    def _kafka(self, function: str) -> secretsmanager.ISecret:
        made = secretsmanager.SecretStringGenerator(
            secret_string_template=json.dumps({"username": function.replace("_", "-")}),
            generate_string_key="password",
            password_length=LETTERS,
            exclude_punctuation=True,
        )
        return self._secret(f"kafka/{function}", f"SCRAM login of {function}", made, BOTH_ENDS)

    def _secret(
        self, name: str, says: str, made: secretsmanager.SecretStringGenerator | None, unrotated: str
    ) -> secretsmanager.Secret:
        secret = secretsmanager.Secret(
            self,
            name.replace("/", "-"),
            secret_name=f"{self._folder}/{name}",
            description=says,
            encryption_key=self._key,
            generate_secret_string=made,
            removal_policy=RemovalPolicy.RETAIN,
        )
        acknowledge(secret, "AwsSolutions-SMG4", unrotated)
        return secret
