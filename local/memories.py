"""The archive and the search index, which live in the memory of their local servers, filled again from the log.

On this machine both are gone when the platform stops, while PostgreSQL and Kafka stay: their consumers begin again at
the first record that the topics still hold. On AWS both are kept.
"""

from collections.abc import Mapping

import boto3
import psycopg
from kafka import KafkaAdminClient
from kafka.errors import GroupIdNotFoundError

from cdk.wiring import FUNCTIONS

ARCHIVE = "stoa-archive"
REGION = "eu-central-1"
CONSUMERS = ("events_to_archive", "events_to_search")


def remember_again(bootstrap: str, database_url: str, environment: Mapping[str, str]) -> None:
    """Before the functions start: makes the bucket and forgets how far both consumers were."""
    s3 = boto3.client(
        "s3",
        endpoint_url=environment["STOA_S3_ENDPOINT"],
        region_name=REGION,
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )
    s3.create_bucket(Bucket=ARCHIVE, CreateBucketConfiguration={"LocationConstraint": REGION})
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE archive_ledger")
    groups = [f"{f.name}.{source.topic}" for f in FUNCTIONS if f.name in CONSUMERS for source in f.sources]
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=5_000)
    try:
        admin.delete_groups(groups)
    except GroupIdNotFoundError:
        pass  # of a platform that starts for the first time
    finally:
        admin.close()
