"""What a stage costs in a month, estimated. `python -m cdk.costs` prints the table of docs/deploy.md.

Prices are those of us-east-1 on demand as remembered, not looked up: take them for the order of size, and the AWS
calculator for a budget. The poller's price and how mappings share pollers are of the documentation of Lambda.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cdk.stages import STAGES, StageSettings
from cdk.wiring import FUNCTIONS

HOURS = 730
MACHINES = {"t3.large": 0.0832}
DISKS_GIB = 50 + 50  # of a machine: its own, and a broker's
OTHER_DISKS_GIB = 10 + 10 + 50 + 20  # Vault and its audit log, OpenSearch, Prometheus
MAPPINGS = sum(len(one.sources) for one in FUNCTIONS)
MAPPINGS_PER_UNIT = 10
# of the cluster, the edge and the database's owner; of Kafka's users; of the settings of functions
SECRETS = 18 + sum(one.speaks_kafka for one in FUNCTIONS) + 14
KEYS = 8
METRICS = 50
ALARM_METRICS = 209  # each metric that an alarm reads is paid for
LOGS_GB = 30


@dataclass(frozen=True)
class Cost:
    what: str
    assumes: str
    dollars: Callable[[StageSettings], float]


COSTS = (
    Cost("EKS control plane", "$0.10 an hour", lambda _: 0.10 * HOURS),
    Cost(
        "machines",
        f"3 x t3.large at ${MACHINES['t3.large']} an hour, no CPU credits bought",
        lambda stage: stage.nodes * MACHINES[stage.node_type] * HOURS,
    ),
    Cost(
        "disks",
        "gp3, $0.08 a GiB; 100 GiB with each machine, 90 beside",
        lambda stage: 0.08 * (stage.nodes * DISKS_GIB + OTHER_DISKS_GIB),
    ),
    Cost(
        "load balancers",
        "3 network, 2 application, $0.0225 an hour each, and 1 unit of load of $0.008; 7 zones of names at $0.50",
        lambda _: 5 * 0.0225 * HOURS + 0.008 * HOURS + 7 * 0.50,
    ),
    Cost("NAT", "$0.045 an hour each, 50 GB", lambda stage: stage.nat_gateways * 0.045 * HOURS + 50 * 0.045),
    Cost(
        "RDS and its proxy",
        "db.t4g.medium in two zones, $0.129 an hour; 100 GiB at $0.23; proxy $0.015 per vCPU hour",
        lambda _: 0.129 * HOURS + 100 * 0.23 + 2 * 0.015 * HOURS,
    ),
    Cost(
        "pollers of event sources",
        f"{MAPPINGS} mappings, {MAPPINGS_PER_UNIT} of them share a unit of $0.185 an hour",
        lambda _: -(-MAPPINGS // MAPPINGS_PER_UNIT) * 0.185 * HOURS,
    ),
    Cost(
        "functions",
        "1 million invocations of 200 ms and 512 MB, arm64",
        lambda _: 0.20 + 1_000_000 * 0.2 * 0.5 * 0.0000133,
    ),
    Cost(
        "secrets and keys",
        f"{SECRETS} secrets at $0.40, {KEYS} keys at $1",
        lambda _: SECRETS * 0.40 + KEYS * 1.0,
    ),
    Cost(
        "logs, metrics, archive",
        f"{LOGS_GB} GB a month at $0.50, kept at $0.03; {METRICS} metrics at $0.30, {ALARM_METRICS} in alarms at $0.10;"
        " 20 GB in S3",
        lambda stage: (
            LOGS_GB * 0.50
            + LOGS_GB * stage.log_retention_days / 30 * 0.03
            + METRICS * 0.30
            + ALARM_METRICS * 0.10
            + 20 * 0.023
        ),
    ),
)


def table() -> str:
    """Markdown, dollars a month."""
    lines = ["| what | " + " | ".join(stage.name for stage in STAGES) + " | assumes |"]
    lines.append("|---|" + "---:|" * len(STAGES) + "---|")
    for cost in COSTS:
        cells = " | ".join(f"{cost.dollars(stage):.0f}" for stage in STAGES)
        lines.append(f"| {cost.what} | {cells} | {cost.assumes} |")
    totals = " | ".join(f"**{sum(cost.dollars(stage) for cost in COSTS):.0f}**" for stage in STAGES)
    lines.append(f"| **all** | {totals} | an estimate: see above |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())  # noqa: T201  that is what it is for
