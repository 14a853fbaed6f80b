"""PostgreSQL in two zones, the proxy in front of it, and what is kept of it elsewhere."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_backup as backup
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_rds as rds
from constructs import Construct

from cdk.stacks.acknowledged import acknowledge
from cdk.stacks.logs import RETENTION, logs_may_use
from cdk.stacks.network import NetworkStack
from cdk.stages import StageSettings

DATABASE = "stoa"
OWNER = "stoa_owner"  # owns the schema and may make roles: migrations
USER = "stoa_worker"  # what the functions log in as: a role of kernel/migrations/0001_platform.sql
# a minor version comes by a change of this line, through the stages, and not by itself at night
VERSION = rds.PostgresEngineVersion.VER_17_9
LOGS = ("postgresql", "upgrade", "iam-db-auth-error")
PARAMETERS = {
    "rds.force_ssl": "1",
    "log_min_duration_statement": "1000",
    "log_lock_waits": "1",
    # what is slow is worth a line, what was in it is not ours to write down
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


class Database(Construct):
    """`instance` and `proxy`. Nobody has a password: functions and migrations log in to the proxy by IAM, as `USER`
    and as `OWNER`; the owner's password is made and rotated by RDS and read by the proxy alone."""

    def __init__(
        self, scope: Construct, construct_id: str, *, stage: StageSettings, network: NetworkStack, key: kms.Key
    ) -> None:
        super().__init__(scope, construct_id)
        self._network = network
        self._key = key
        self.instance = self._instance(stage)
        self._keep_logs(stage)
        self.proxy = self._proxy()
        self._back_up()

    def _instance(self, stage: StageSettings) -> rds.DatabaseInstance:
        engine = rds.DatabaseInstanceEngine.postgres(version=VERSION)
        instance = rds.DatabaseInstance(
            self,
            "Instance",
            # a name of ours, so that the log groups are there before RDS makes them, without a key and for ever
            instance_identifier=f"stoa-{stage.name}",
            engine=engine,
            instance_type=ec2.InstanceType(stage.database_class),
            multi_az=True,
            vpc=self._network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[self._fixed("InstanceGroup", self._network.firewall.database)],
            database_name=DATABASE,
            credentials=rds.Credentials.from_username(OWNER, encryption_key=self._key),
            manage_master_user_password=True,
            iam_authentication=True,
            parameter_group=rds.ParameterGroup(self, "Parameters", engine=engine, parameters=PARAMETERS),
            storage_type=rds.StorageType.GP3,
            allocated_storage=stage.database_gib,
            max_allocated_storage=stage.database_gib * 5,
            storage_encrypted=True,
            storage_encryption_key=self._key,
            backup_retention=Duration.days(14),
            preferred_backup_window="03:00-04:00",  # the clean-up of 02:00 is over
            preferred_maintenance_window="sun:04:30-sun:05:30",
            delete_automated_backups=False,
            copy_tags_to_snapshot=True,
            auto_minor_version_upgrade=False,
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
            enable_performance_insights=True,
            performance_insight_encryption_key=self._key,
            performance_insight_retention=rds.PerformanceInsightRetention.DEFAULT,
            cloudwatch_logs_exports=list(LOGS),
        )
        accept_port(instance)
        return instance

    def _keep_logs(self, stage: StageSettings) -> None:
        folder = f"/aws/rds/instance/stoa-{stage.name}"
        logs_may_use(self._key, f"{folder}/*")
        for name in LOGS:
            group = logs.LogGroup(
                self,
                f"Log-{name}",
                log_group_name=f"{folder}/{name}",
                retention=RETENTION[stage.log_retention_days],
                encryption_key=self._key,
            )
            self.instance.node.add_dependency(group)

    def _proxy(self) -> rds.DatabaseProxy:
        owner = self.instance.secret
        assert owner is not None  # noqa: S101  RDS makes one, see above
        role = iam.Role(self, "ProxyRole", assumed_by=iam.ServicePrincipal("rds.amazonaws.com"))
        self.instance.grant_connect(role, USER)
        return rds.DatabaseProxy(
            self,
            "Proxy",
            proxy_target=rds.ProxyTarget.from_instance(self.instance),
            vpc=self._network.vpc,
            vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PRIVATE_WITH_EGRESS),
            security_groups=[self._fixed("ProxyGroup", self._network.firewall.proxy)],
            role=role,
            require_tls=True,
            # by IAM all the way; only the owner's own way ends in a password, with which the first migration comes in
            iam_auth=True,
            default_auth_scheme=rds.DefaultAuthScheme.IAM_AUTH,
            secrets=[owner],
            max_connections_percent=80,  # the rest is for Keycloak and AWX, who do not come this way
            borrow_timeout=Duration.seconds(10),
        )

    def _fixed(self, name: str, group: ec2.SecurityGroup) -> ec2.ISecurityGroup:
        """The group without its rules, of which the library would add some: they are those of stacks/firewall.py."""
        return ec2.SecurityGroup.from_security_group_id(self, name, group.security_group_id, mutable=False)

    def _back_up(self) -> None:
        """Beside the 14 days that RDS keeps: 35 days, and the first of each month for a year."""
        vault = backup.BackupVault(
            self,
            "Vault",
            encryption_key=self._key,
            removal_policy=RemovalPolicy.RETAIN,
            # nobody shortens what is kept
            lock_configuration=backup.LockConfiguration(min_retention=Duration.days(35)),
        )
        plan = backup.BackupPlan(self, "Plan", backup_vault=vault)
        daily = events.Schedule.cron(minute="30", hour="5")
        monthly = events.Schedule.cron(minute="30", hour="6", day="1")
        for name, schedule, days in (("daily", daily, 35), ("monthly", monthly, 365)):
            rule = backup.BackupPlanRule(rule_name=name, schedule_expression=schedule, delete_after=Duration.days(days))
            plan.add_rule(rule)
        plan.add_selection(
            "Database",
            role=self._backup_role(),
            resources=[backup.BackupResource.from_rds_database_instance(self.instance)],
        )

    def _backup_role(self) -> iam.Role:
        policy = "service-role/AWSBackupServiceRolePolicyForBackup"
        role = iam.Role(
            self,
            "BackupRole",
            assumed_by=iam.ServicePrincipal("backup.amazonaws.com"),
            managed_policies=[iam.ManagedPolicy.from_aws_managed_policy_name(policy)],
        )
        acknowledge(
            role,
            f"AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/{policy}]",
            "AWS says what its own service needs for a backup, and keeps that up to date.",
        )
        return role


def accept_port(instance: rds.DatabaseInstance) -> None:
    acknowledge(
        instance,
        "AwsSolutions-RDS11",
        "Security groups let two groups in and no address; another port would hide it from nobody.",
    )
