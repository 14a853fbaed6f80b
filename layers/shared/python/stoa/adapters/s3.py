"""One S3 bucket, of which nothing is overwritten and nothing deleted.

Source: Amazon S3 User Guide, "Conditional writes": `If-None-Match: *` answers 412 when the object exists, and 409 when
another write of it was under way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from stoa.kernel.errors import Transient

CONNECT_S, READ_S = 3, 15
EXISTS = "PreconditionFailed"
# what a person must repair
ALARMS = frozenset({"AccessDenied", "ExpiredToken", "InvalidAccessKeyId", "NoSuchBucket", "SignatureDoesNotMatch"})


class Bucket:
    """An empty `endpoint` is that of AWS; credentials and region are those of the environment. Each method raises
    Transient when S3 is away or refuses."""

    def __init__(self, name: str, endpoint: str) -> None:
        self._name = name
        self._endpoint = endpoint or None
        self._client: Any = None

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """False when there is such an object; that may be our own, of a call whose answer was lost."""
        with _told():
            client = self._connected()
            try:
                client.put_object(Bucket=self._name, Key=name, Body=data, IfNoneMatch="*")
            except client.exceptions.ClientError as error:
                if _code(error) == EXISTS:
                    return False
                raise
        return True

    def get(self, name: str) -> bytes:
        with _told():
            body: bytes = self._connected().get_object(Bucket=self._name, Key=name)["Body"].read()
        return body

    def names(self, prefix: str) -> Iterator[str]:
        """In the order of their bytes, a page at a time."""
        with _told():
            pages = iter(self._connected().get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix))
        while True:
            with _told():
                page = next(pages, None)
            if page is None:
                return
            yield from (entry["Key"] for entry in page.get("Contents", ()))

    def _connected(self) -> Any:
        if self._client is None:
            import boto3  # noqa: PLC0415  170 ms, and only for who uses it
            from botocore.config import Config  # noqa: PLC0415

            settings = Config(
                connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"mode": "standard", "total_max_attempts": 2}
            )
            self._client = boto3.client("s3", endpoint_url=self._endpoint, config=settings)
        return self._client


@contextmanager
def _told() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        code = _code(error)
        raise Transient("s3", code, alarm=code in ALARMS) from error
    except (BotoCoreError, HTTPClientError) as error:
        raise Transient("s3", type(error).__name__, alarm=isinstance(error, NoCredentialsError)) from error


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code"))
