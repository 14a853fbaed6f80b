"""What the machines of a stage have for pods, and what pods there ask for that no values file of ours speaks of.

Sources: https://github.com/awslabs/amazon-eks-ami (what its nodes reserve) and the add-ons' own manifests.
"""

from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Machine:
    """What an instance type has before the system takes its part; `pods` is the limit by network interfaces."""

    milli_cpu: int
    memory_mib: int
    pods: int

    @property
    def for_pods(self) -> tuple[int, int]:
        """Milli-CPU and MiB. The node agent keeps 6 % of the first core, 1 % of the second and 0.5 % of the next two,
        11 MiB a pod and 255 MiB, and evicts at 100 MiB; the kernel shows about 4 % less memory than is sold."""
        cores = self.milli_cpu // 1000
        kept = sum(share for _, share in zip(range(cores), (60, 10, 5, 5), strict=False))
        return self.milli_cpu - kept, int(self.memory_mib * 0.96) - 11 * self.pods - 255 - 100


MACHINES = {
    "t3.large": Machine(2000, 8192, 35),
    "t3.xlarge": Machine(4000, 16384, 58),
    "m7i.xlarge": Machine(4000, 16384, 58),
}

# (milli-CPU, MiB) on every machine: add-ons of EKS, whose requests are theirs
ON_EACH = {"aws-node": (50, 0), "kube-proxy": (100, 0), "ebs-csi-node": (30, 120), "pod-identity-agent": (0, 0)}
# and once, by how many
ONCE = {"coredns": (2, 100, 70), "ebs-csi-controller": (2, 60, 240)}
