"""S3 for the tests: moto's server as `make up` starts it, with one bucket per test."""

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from local.parts.ports import free_port
from local.parts.process import Child
from local.stack import wait_until_it_answers
from stoa.adapters.s3 import Bucket


@pytest.fixture(scope="session")
def s3(run_folder: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = Child("s3", command, os.environ, run_folder / "s3.log")
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        wait_until_it_answers(f"http://127.0.0.1:{port}", server)
        yield f"http://127.0.0.1:{port}"
    server.stop()


@pytest.fixture
def new_bucket(s3: str) -> Callable[[], Bucket]:
    """Clients of one bucket, each with connections of its own."""
    name = f"archive-{uuid.uuid4().hex}"
    boto3.client("s3", endpoint_url=s3, region_name="us-east-1").create_bucket(
        Bucket=name, ObjectLockEnabledForBucket=True
    )
    return lambda: Bucket(name, s3)


@pytest.fixture
def bucket(new_bucket: Callable[[], Bucket]) -> Bucket:
    return new_bucket()
