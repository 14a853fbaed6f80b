"""Logins to PostgreSQL by IAM: what stands for the password is a signed request of the function's role, for 15 minutes.

Source: Amazon RDS User Guide, "Connecting using IAM: Python". A connection outlives its token, so a new one is made for
each connection and none is kept. RDS Proxy shows a certificate of AWS Certificate Manager, whose roots certifi has;
RDS's own CAs are those of the instances behind it.
"""

from typing import Any
from urllib.parse import urlencode

from stoa.kernel.errors import Transient

LIFE_S = 900


class IamLogin:
    """`url` is a libpq URI with user, host and database, and without a password."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: Any = None

    def conninfo(self) -> str:
        """To connect at once: with a new token, by TLS to the host of that name or not at all. Raises Transient."""
        import certifi  # noqa: PLC0415  of AWS only, as botocore
        from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: PLC0415

        parts = conninfo_to_dict(self._url)
        token = self._token(str(parts["host"]), str(parts.get("port", 5432)), str(parts["user"]))
        return make_conninfo(self._url, password=token, sslmode="verify-full", sslrootcert=certifi.where())

    def _token(self, host: str, port: str, user: str) -> str:
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415
        from botocore.model import ServiceId  # noqa: PLC0415
        from botocore.session import Session  # noqa: PLC0415
        from botocore.signers import RequestSigner  # noqa: PLC0415

        if self._session is None:
            self._session = Session()
        session = self._session
        region = session.get_config_variable("region")
        # not by a client of RDS, whose description takes longer to load than all else here
        emitter = session.get_component("event_emitter")
        query = urlencode({"Action": "connect", "DBUser": user})
        request = {"method": "GET", "url": f"https://{host}:{port}/?{query}", "body": {}, "headers": {}, "context": {}}
        try:
            signer = RequestSigner(ServiceId("rds-db"), region, "rds-db", "v4", session.get_credentials(), emitter)
            signed: str = signer.generate_presigned_url(request, "connect", LIFE_S, region, "rds-db")
        except BotoCoreError as error:
            raise Transient("database", f"no login: {type(error).__name__}", alarm=True) from error
        return signed.removeprefix("https://")
