"""No API's backend is the gateway's own machine or its cloud's metadata service, however that is written."""

import pytest

from stoa.kernel.errors import Refused
from stoa.repository.definition import definition
from stoa.repository.dialect import host_of
from stoa.repository.nearby import is_nearby
from tests.gitops.test_gitops_definition import API, replaced

NEAR = (
    "127.0.0.1", "127.9.9.9", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "1%32%37.0.0.1", "127.0.0.1.",
    "localhost", "LOCALHOST", "localhost.", "api.localhost", "ip6-localhost", "0.0.0", "0", "0.1.2.3",
    "169.254.169.254", "169.254.170.2", "2852039166", "metadata.google.internal", "100.100.100.200", "168.63.129.16",
    "[::1]", "[::]", "[fe80::1]", "[fd00:ec2::254]", "[fd00:ec2::23]", "[::ffff:169.254.169.254]", "[::ffff:7f00:1]",
    "[64:ff9b::169.254.169.254]", "[2002:a9fe:a9fe::1]", "[::127.0.0.1]",
)  # fmt: skip
FAR = (
    "10.0.0.8", "172.16.0.1", "192.168.1.10", "100.64.0.1", "orders.internal", "localhost.example.com", "93.184.216.34",
    "[fd12:3456::1]", "[2001:db8::1]", "[64:ff9b::10.0.0.8]", "metadata.example.com",
)  # fmt: skip


def of_url(host: str) -> str:
    found = host_of(f"http://{host}:8080/orders")
    assert found is not None
    return found


@pytest.mark.parametrize("host", NEAR)
def test_a_host_that_leads_nowhere_else(host: str) -> None:
    assert is_nearby(of_url(host))


@pytest.mark.parametrize("host", FAR)
def test_a_host_of_somebody(host: str) -> None:
    assert not is_nearby(of_url(host))


def test_what_the_platform_names_is_taken_and_nothing_beside_it(files: dict[str, bytes]) -> None:
    replaced(files, API, "${BACKEND_URL}", "http://127.0.0.1:8080")
    assert definition(files, "tenant-demo", "orders", "dev", ["127.0.0.1"]).api.spec.backend.url.endswith("1:8080")
    replaced(files, API, "127.0.0.1", "169.254.169.254")
    with pytest.raises(Refused) as refused:
        definition(files, "tenant-demo", "orders", "dev", ["127.0.0.1"])
    assert (refused.value.code, refused.value.field) == ("BACKEND_NOT_ALLOWED", "spec.backend.url")
    assert "169.254.169.254" in refused.value.detail
