"""Tokens that must not be believed: each attack is refused with its reason, and written down."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from local.issuer import Issuer, issuing

MANY = 40


class Desk:
    def __init__(self, api: Any, issuer: Issuer) -> None:
        self.api, self.issuer = api, issuer

    def ask(self, token: str) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        return self.api.session.get(f"{self.api.url}/v1/deployments", headers=headers, timeout=10)


@pytest.fixture(scope="module")
def desk(start_api: Callable[..., Any]) -> Iterator[Desk]:
    with issuing() as issuer:
        yield Desk(start_api(STOA_OIDC_ISSUER_URL=issuer.url), issuer)


def unsigned(issuer: Issuer, **header: Any) -> str:
    parts = ({"alg": "none", "typ": "JWT", "kid": issuer.kid, **header}, issuer.claims("cpi-admin"))
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."


def by_public_key(issuer: Issuer) -> str:
    """HS256, with what everybody can read as the secret; PyJWT itself would not make one."""
    pem = issuer.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    parts = ({"alg": "HS256", "typ": "JWT", "kid": issuer.kid}, issuer.claims("cpi-admin"))
    said = ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts)
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return f"{said}.{base64.urlsafe_b64encode(algorithm.sign(said.encode(), pem)).decode().rstrip('=')}"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(issuer: Issuer, payload: bytes) -> str:
    """With the right key, whatever it says."""
    return jwt.PyJWS().encode(payload, issuer.key, "RS256", headers={"kid": issuer.kid})


def strangers(issuer: Issuer) -> str:
    key = rsa.generate_private_key(65537, 2048)
    return jwt.encode(issuer.claims("cpi-admin"), key, "RS256", headers={"kid": issuer.kid})


NOW = time.time
ATTACKS: dict[str, Callable[[Issuer], str]] = {
    "alg none": unsigned,
    "alg None, in another case": lambda issuer: unsigned(issuer, alg="nOnE"),
    "HS256 with the public key": by_public_key,
    "a stranger's key": strangers,
    "RS512, which is none of ours": lambda i: jwt.encode(i.claims("cpi-admin"), i.key, "RS512", headers={"kid": i.kid}),
    "another realm": lambda i: i.token("cpi-admin", iss=i.url.replace("stoa", "other")),
    "an issuer that begins alike": lambda i: i.token("cpi-admin", iss=i.url + "/"),
    "another audience": lambda i: i.token("cpi-admin", aud="account"),
    "no audience": lambda i: i.token("cpi-admin", aud=None),
    "an audience that is no text": lambda i: i.token("cpi-admin", aud={"control-plane-api": 1}),
    "an ID token": lambda i: i.token("cpi-admin", typ="ID"),
    "a refresh token": lambda i: i.token("cpi-admin", typ="Refresh"),
    "no type": lambda i: i.token("cpi-admin", typ=None),
    "another client": lambda i: i.token("cpi-admin", azp="somebody"),
    "no client": lambda i: i.token("cpi-admin", azp=None),
    "expired": lambda i: i.token("cpi-admin", exp=int(NOW()) - 60),
    "no end": lambda i: i.token("cpi-admin", exp=None),
    "an end that is no number": lambda i: i.token("cpi-admin", exp="later"),
    "not yet valid": lambda i: i.token("cpi-admin", nbf=int(NOW()) + 600),
    "made tomorrow": lambda i: i.token("cpi-admin", iat=int(NOW()) + 86_400, exp=int(NOW()) + 90_000),
    "no subject": lambda i: i.token("cpi-admin", sub=None),
    "a subject that is no text": lambda i: i.token("cpi-admin", sub={"a": 1}),
    "the key for encryption": lambda i: i.token("cpi-admin", headers={"kid": "enc"}),
    "a path as the key's id": lambda i: i.token("cpi-admin", headers={"kid": "../../../dev/null"}),
    "a statement as the key's id": lambda i: i.token("cpi-admin", headers={"kid": "' OR 1=1 --"}),
    "no key's id": lambda i: jwt.encode(i.claims("cpi-admin"), i.key, "RS256"),
    "a key's id that is a list": lambda i: unsigned(i, alg="RS256", kid=["one"]),
    "a key that it brings along": lambda i: i.token("cpi-admin", headers={"kid": "mine", "jwk": i.public()}),
    "an address of keys that it brings along": lambda i: i.token("cpi-admin", headers={"kid": "x", "jku": "http://x"}),
    "too long": lambda i: i.token("cpi-admin", padding="x" * 10_000),
    "a header that has no end": lambda _: f"{encoded(b'[' * 6_000)}.e30.c2ln",
    "a payload that has no end": lambda i: signed(i, b"[" * 5_000),
    "a payload that is no object": lambda i: signed(i, b"[1]"),
    "a payload in no known encoding": lambda i: signed(i, b'{"iss": "\xff"}'),
    "what its reader must understand": lambda i: i.token("cpi-admin", headers={"crit": ["exp2"], "exp2": 1}),
    "a payload that is not encoded": lambda i: i.token("cpi-admin", headers={"b64": False, "crit": ["b64"]}),
    "an encrypted one": lambda i: f"{encoded(b'{}')}.a.b.c.d",
    "clients in a list": lambda i: i.token("cpi-admin", azp=["control-plane-ui"]),
    "issuers in a list": lambda i: signed(i, json.dumps(i.claims("cpi-admin", iss=[i.url])).encode()),
    "a type in a list": lambda i: i.token("cpi-admin", typ=["Bearer"]),
    "an end without end": lambda i: i.token("cpi-admin", exp=float("inf")),
    "a beginning that is no number": lambda i: i.token("cpi-admin", nbf=float("nan")),
    "made before all time": lambda i: i.token("cpi-admin", iat=-(10**18)),
    "made before all numbers": lambda i: i.token("cpi-admin", iat=float("-inf")),
    "a subject that cannot be stored": lambda i: i.token("cpi-admin", sub="a\0b"),
    "no subject in it": lambda i: i.token("cpi-admin", sub=""),
    "no token": lambda _: "a.b.c",
    "dots": lambda _: "...",
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_token_that_must_not_be_believed_is_refused_and_written_down(desk: Desk, attack: str) -> None:
    answer = desk.ask(ATTACKS[attack](desk.issuer))
    said = answer.json()
    assert (answer.status_code, said["code"]) == (401, "INVALID_TOKEN")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="stoa", error="invalid_token"'
    rows = desk.api.rows(
        "SELECT convert_from(value, 'UTF8')::jsonb AS said FROM outbox WHERE topic = 'audit-log'"
        " AND convert_from(value, 'UTF8')::jsonb ->> 'trace_id' = %s",
        said["trace_id"],
    )
    (audited,) = [row["said"] for row in rows]
    assert (audited["actor"], audited["outcome"], audited["tenant"]) == ("unknown", "refused", "_platform")
    assert audited["after"] == {"code": "INVALID_TOKEN"}


def test_no_header_says_where_somebody_calls_from(desk: Desk) -> None:
    """The audit and the limits go by the connection; who is behind CloudFront, its secret shows: test_arrival.py."""
    names = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "True-Client-IP", "CF-Connecting-IP", "X-Stoa-Viewer")
    headers = {"Authorization": "Bearer a.b.c", **dict.fromkeys(names, "203.0.113.7")}
    said = desk.api.session.get(f"{desk.api.url}/v1/deployments", headers=headers, timeout=10).json()
    rows = desk.api.rows("SELECT convert_from(value, 'UTF8') AS said FROM outbox WHERE topic = 'audit-log'")
    (audited,) = [row["said"] for row in rows if said["trace_id"] in row["said"]]
    assert (json.loads(audited)["ip"], "203.0.113.7" in audited) == ("127.0.0.1", False)


def test_a_good_token_is_believed_also_a_little_after_its_end(desk: Desk) -> None:
    assert desk.ask(desk.issuer.token("cpi-admin")).status_code == 200
    assert desk.ask(desk.issuer.token("cpi-admin", exp=int(time.time()) - 5)).status_code == 200


@pytest.mark.parametrize(
    "tenant", ["_platform", "tenant-a\0", "../tenant-a", "TENANT-A", "", ["tenant-a"], {"a": 1}, 7]
)
def test_a_tenant_that_can_be_none_is_none(desk: Desk, tenant: Any) -> None:
    """Nobody's `tenant_id` leads to what belongs to the platform."""
    for role in ("tenant-admin", "viewer"):
        answer = desk.ask(desk.issuer.token(role, tenant_id=tenant))
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


def test_a_flood_of_unknown_keys_fetches_no_more_than_once_in_a_cool_down(desk: Desk) -> None:
    before = desk.issuer.fetches
    begun = time.monotonic()
    for number in range(MANY):
        assert desk.ask(desk.issuer.token("cpi-admin", headers={"kid": f"unknown-{number}"})).status_code == 401
    periods = 1 + int((time.monotonic() - begun) / 10)
    processes = 2
    assert desk.issuer.fetches - before <= processes * periods


def test_no_token_is_nobodys_act(desk: Desk) -> None:
    answer = desk.api.session.get(f"{desk.api.url}/v1/deployments", timeout=10)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="stoa"'
