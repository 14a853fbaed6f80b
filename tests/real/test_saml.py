"""People of a company sign in through its SAML identity provider: here another realm of the same Keycloak."""

import re
from html import unescape
from typing import Any

import httpx
import pytest

from local.parts.keycloak import Keycloak
from stoa.adapters.keycloak import Keycloak as Client
from stoa.kernel.settings import Secret
from tests.emulators.keycloak.kit import PASSWORD, Browser, Issuer, Json, form_of, said

pytestmark = [pytest.mark.real, pytest.mark.minutes, pytest.mark.timeout(400)]
PEOPLE = {"ida": "Ida", "ivo": "Ivo"}
# what the provider says of a person, by the names that our realm file expects
ATTRIBUTES = {"email": "email", "givenName": "firstName", "surname": "lastName"}
FIELD = re.compile(r'<input[^>]*name="(SAMLRequest|SAMLResponse|RelayState)"[^>]*value="([^"]*)"', re.IGNORECASE)


class Company:
    """The realm `corp`, whose users our realm lets in once it knows its metadata, and the other way round."""

    def __init__(self, server: Keycloak, issuer: Issuer) -> None:
        self.server, self.issuer = server, issuer
        form = {"grant_type": "password", "client_id": "admin-cli", "username": "root"}
        token = issuer.http.post(
            f"{server.url}/realms/master/protocol/openid-connect/token",
            data={**form, "password": server.admin_password},
        ).json()["access_token"]
        self.headers = {"authorization": f"Bearer {token}"}
        self.ask("POST", "", json={"realm": "corp", "enabled": True, "sslRequired": "none"})
        self.known_to_us()  # a provider that is disabled has no metadata of ours
        self.know_us()
        for name, first in PEOPLE.items():
            credential = {"type": "password", "value": PASSWORD, "temporary": False}
            body = {"username": name, "email": f"{name}@corp.example", "firstName": first, "lastName": "Corp",
                    "enabled": True, "emailVerified": True, "credentials": [credential]}  # fmt: skip
            self.ask("POST", "/corp/users", json=body)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {**self.headers, **more.pop("headers", {})}
        url = f"{self.server.url}/admin/realms{path}"
        answer = self.issuer.http.request(method, url, headers=headers, **more)
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        return answer

    def know_us(self) -> None:
        """Our metadata, as the company's administrator takes it over."""
        metadata = self.issuer.http.get(f"{self.issuer.url}/broker/corporate/endpoint/descriptor").text
        converter, xml = "/corp/client-description-converter", {"content-type": "application/xml"}
        client: Json = self.ask("POST", converter, content=metadata.encode(), headers=xml).json()
        client["attributes"] |= {"saml.assertion.signature": "true", "saml_name_id_format": "persistent"}
        client["protocolMappers"] = [
            {"name": name, "protocol": "saml", "protocolMapper": "saml-user-property-mapper",
             "config": {"attribute.name": name, "user.attribute": of, "attribute.nameformat": "Basic"}}
            for name, of in ATTRIBUTES.items()
        ]  # fmt: skip
        self.ask("POST", "/corp/clients", json=client)

    def known_to_us(self, **changed: str) -> None:
        """Its metadata, as our realm has it from STOA_SAML_...; the rest is as the realm file says."""
        url = f"{self.server.url}/realms/corp/protocol/saml/descriptor"
        read: Json = self.ask(
            "POST", "/stoa/identity-provider/import-config", json={"fromUrl": url, "providerId": "saml"}
        ).json()
        found: Json = self.ask("GET", "/stoa/identity-provider/instances/corporate").json()
        names = ("idpEntityId", "singleSignOnServiceUrl", "signingCertificate")
        config = {**found["config"], **{name: read[name] for name in names}, **changed}
        self.ask(
            "PUT", "/stoa/identity-provider/instances/corporate", json={**found, "enabled": True, "config": config}
        )

    def sign_in(self, browser: Browser, name: str) -> httpx.Response:
        """Up to what our realm makes of the company's answer."""
        ours = browser.ask(kc_idp_hint="corporate")
        theirs = followed(browser, passed_on(browser, followed(browser, ours)))
        return followed(browser, passed_on(browser, browser.fill(theirs, name)))


def followed(browser: Browser, answer: httpx.Response) -> httpx.Response:
    """Redirects within the server."""
    while answer.status_code in (302, 303) and "/callback" not in answer.headers["location"]:
        answer = browser.http.get(answer.headers["location"])
    return answer


def passed_on(browser: Browser, page: httpx.Response) -> httpx.Response:
    """A page that posts its fields to the other side by itself."""
    fields = {name: unescape(value) for name, value in FIELD.findall(page.text)}
    assert fields, page.text
    return browser.http.post(form_of(page), data=fields)


@pytest.fixture(scope="module")
def company(server: Keycloak, issuer: Issuer) -> Company:
    return Company(server, issuer)


def test_somebody_of_the_company_signs_in_and_may_nothing_yet(company: Company, issuer: Issuer) -> None:
    browser = Browser(issuer)
    tokens = browser.redeem(said(company.sign_in(browser, "ida"))["code"]).json()
    claims = issuer.claims(tokens["access_token"])
    assert (claims["email"], claims["email_verified"], "tenant_id" in claims) == ("ida@corp.example", False, False)
    assert not claims.get("realm_access", {}).get("roles")
    client = Client(issuer.url, Secret(issuer.secret("stoa-identity")), timeout_s=60)
    found = client.user_with("ida@corp.example")
    assert found is not None
    assert (found.id, found.verified, found.names) == (claims["sub"], False, {"firstName": "Ida", "lastName": "Corp"})
    again = Browser(issuer)
    repeated = again.redeem(said(company.sign_in(again, "ida"))["code"]).json()
    assert issuer.claims(repeated["access_token"])["sub"] == claims["sub"]


def test_an_answer_that_another_key_signed_lets_nobody_in(company: Company, issuer: Issuer) -> None:
    ours = issuer.http.get(f"{issuer.url}/protocol/saml/descriptor").text
    found = re.search(r"X509Certificate>([^<]+)<", ours)
    assert found
    company.known_to_us(signingCertificate=found[1])
    answer = company.sign_in(Browser(issuer), "ivo")
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    client = Client(issuer.url, Secret(issuer.secret("stoa-identity")), timeout_s=60)
    assert client.user_with("ivo@corp.example") is None
