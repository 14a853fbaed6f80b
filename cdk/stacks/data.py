"""What must outlive every deployment: the database, the archive of events, the secrets, and the key of all three."""

from typing import Any

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.stacks.archive import Archive
from cdk.stacks.credentials import Credentials
from cdk.stacks.database import Database
from cdk.stacks.network import NetworkStack
from cdk.stages import StageSettings
from cdk.wiring import FUNCTIONS


class DataStack(Stack):
    """Removing this stack removes nothing that it holds: everything is retained, and the database also protected."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: StageSettings, network: NetworkStack, **kwargs: Any
    ) -> None:
        super().__init__(scope, construct_id, termination_protection=True, **kwargs)
        self.data_key = kms.Key(
            self,
            "DataKey",
            description=f"Database, archive and secrets of stoa-{stage.name}",
            enable_key_rotation=True,
            removal_policy=RemovalPolicy.RETAIN,
        )
        _readable_with_the_secret(self.data_key)
        database = Database(self, "Database", stage=stage, network=network, key=self.data_key)
        self.database = database.instance
        self.proxy = database.proxy
        self.archive = Archive(self, "Archive", stage=stage, key=self.data_key).bucket
        functions = [function.name for function in FUNCTIONS if function.speaks_kafka]
        credentials = Credentials(self, "Credentials", stage=stage, key=self.data_key, functions=functions)
        self.secrets = credentials.secrets
        self.kafka_credentials = credentials.kafka


def _readable_with_the_secret(key: kms.Key) -> None:
    """Who may read a secret may decrypt it: the right to the one secret decides, as with the key of AWS's own.

    By naming its readers the key would depend on the stacks of the functions, which depend on it.
    """
    stack = key.stack
    key.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=["kms:Decrypt"],
            resources=["*"],  # a key's policy speaks of that key only
            conditions={
                "StringEquals": {
                    "kms:CallerAccount": stack.account,
                    "kms:ViaService": f"secretsmanager.{stack.region}.amazonaws.com",
                }
            },
        )
    )
