"""Hosts that lead a gateway back to its own machine, or to the service that hands out its machine's credentials.

What a name resolves to is known where it is asked for, and may be another thing a minute later: only the gateway's own
network can refuse that. Private ranges are where backends are.
"""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

NAMES = frozenset(
    {"localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback", "metadata",
     "metadata.google.internal", "instance-data", "instance-data.ec2.internal"}
)  # fmt: skip
# beside link-local, where most are: AWS and Google over IPv6, Azure, Alibaba, Oracle
METADATA = tuple(
    map(ip_network, ("fd00:ec2::/32", "fd20:ce::/64", "168.63.129.16/32", "100.100.100.200/32", "192.0.0.192/32"))
)
THIS = ip_network("0.0.0.0/8")  # RFC 1122, section 3.2.1.3: this host on this network
# the last four bytes are an address of IPv4: RFC 6052 and RFC 4291, section 2.5.5.1
HOLDS_IPV4 = (ip_network("64:ff9b::/96"), ip_network("::/96"))


def is_nearby(host: str) -> bool:
    """Of a host as a URL parser normalises it: lower case, an address of IPv4 as four numbers."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        address = ip_address(name)
    except ValueError:
        return name in NAMES or name.endswith(".localhost")
    return any(map(_refused, _meant(address)))


def _meant(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address, and what of IPv4 is in it."""
    yield address
    if isinstance(address, IPv6Address):
        yield from filter(None, (address.ipv4_mapped, address.sixtofour))
        if any(address in network for network in HOLDS_IPV4):
            yield IPv4Address(address.packed[-4:])


def _refused(address: IPv4Address | IPv6Address) -> bool:
    near = address.is_loopback or address.is_link_local or address.is_unspecified
    return near or any(address in network for network in (THIS, *METADATA))
