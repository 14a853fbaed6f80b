"""The database is migrated before any function of a deployment runs; when that fails, so does the deployment."""

from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk.triggers import Trigger
from constructs import Construct

from cdk import packaging
from cdk.stacks.data import DataStack
from cdk.stacks.database import DATABASE, OWNER
from cdk.stacks.functions import PRIVATE, RUNTIME, accept_runtime, architecture, architecture_of, code, layer
from cdk.stacks.logs import RETENTION, log_key
from cdk.stacks.network import NetworkStack
from cdk.stacks.permissions import database_login, running, sealed
from cdk.stages import StageSettings

LONGEST = Duration.minutes(14)


class MigrationsStack(Stack):
    """What changes when code or SQL does, is run once for each change."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        stage: StageSettings,
        network: NetworkStack,
        data: DataStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, construct_id, **kwargs)
        self._network, self._data = network, data
        kept = RETENTION[stage.log_retention_days]
        self._log_group = logs.LogGroup(self, "Logs", retention=kept, encryption_key=log_key(self))
        self.function = self._function()
        Trigger(self, "Migrated", handler=self.function, timeout=LONGEST)

    def _function(self) -> lambda_.Function:
        processor = architecture(self)
        allowed = [*running(self, self._log_group), database_login(self, self._data, OWNER)]
        made = lambda_.Function(
            self,
            "Migrate",
            description="Brings the database to the schema of this deployment",
            code=code(self, packaging.step("migrate")),
            handler="cdk.steps.migrate.handler",
            runtime=RUNTIME,
            architecture=architecture_of(processor),
            layers=[
                layer(self, "Dependencies", packaging.dependencies(processor)),
                layer(self, "Tools", packaging.tools(processor)),
                layer(self, "Platform", packaging.platform()),
            ],
            role=sealed(self, allowed).without_policy_updates(),
            memory_size=512,
            timeout=LONGEST,
            environment={
                "STOA_FUNCTION": "migrate",
                "STOA_DATABASE_URL": f"postgresql://{OWNER}@{self._data.proxy.endpoint}:5432/{DATABASE}",
            },
            vpc=self._network.vpc,
            vpc_subnets=PRIVATE,
            security_groups=[self._network.firewall.functions],
            tracing=lambda_.Tracing.ACTIVE,
            log_group=self._log_group,
        )
        accept_runtime(made)
        return made
