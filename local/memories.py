"""The archive and the search index, which live in the memory of their local servers, filled again from the log.

On this machine both are gone when the platform stops, while PostgreSQL and Kafka stay: their consumers begin again at
the first record that the topics still hold. On AWS both are kept.
"""

import time
from collections.abc import Collection, Mapping
from typing import Any

import boto3
import psycopg
from kafka import KafkaAdminClient

from cdk.wiring import FUNCTIONS
from local.consumer_lag import NOT_YET
from local.parts.process import DiedEarly

ARCHIVE = "stoa-archive"
REGION = "eu-central-1"
CONSUMERS = ("events_to_archive", "events_to_search")
# a member that was killed counts as one until its session ends
LEFT_S, LOOK_EVERY_S = 60.0, 0.5
GONE = ("OK", "GroupIdNotFoundError")
PASSES = {"NonEmptyGroupError", *(error.__name__ for error in NOT_YET)}


def remember_again(bootstrap: str, database_url: str, environment: Mapping[str, str]) -> None:
    """Before the functions start: makes the bucket and forgets how far both consumers were. Raises DiedEarly."""
    make_bucket(environment)
    with psycopg.connect(database_url) as connection:
        connection.execute("TRUNCATE archive_ledger, audit_chains, audit_links")
    forget(bootstrap, CONSUMERS)


def s3_of(environment: Mapping[str, str]) -> Any:
    """A client of the S3 that the functions of this environment use."""
    return boto3.client(
        "s3",
        endpoint_url=environment["STOA_S3_ENDPOINT"],
        region_name=REGION,
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def make_bucket(environment: Mapping[str, str]) -> None:
    """As on AWS: every object is locked, and a version that somebody puts over it hides nothing."""
    s3 = s3_of(environment)
    s3.create_bucket(
        Bucket=ARCHIVE,
        CreateBucketConfiguration={"LocationConstraint": REGION},
        ObjectLockEnabledForBucket=True,  # which switches versions on
    )
    lock = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 365}}}
    s3.put_object_lock_configuration(Bucket=ARCHIVE, ObjectLockConfiguration=lock)


def forget(bootstrap: str, functions: Collection[str]) -> None:
    """How far these functions were; of a platform that starts for the first time there is nothing. Raises DiedEarly and
    KafkaError."""
    groups = [f"{f.name}.{source.topic}" for f in FUNCTIONS if f.name in functions for source in f.sources]
    admin = KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=5_000)
    try:
        _forget(admin, groups)
    finally:
        admin.close()


def _forget(admin: KafkaAdminClient, groups: list[str]) -> None:
    until = time.monotonic() + LEFT_S
    while groups:
        try:
            answers = admin.delete_groups(groups)  # by group "OK", or the name of an error
        except NOT_YET as error:  # of the search for who coordinates them
            answers = dict.fromkeys(groups, type(error).__name__)
        groups = [group for group, answer in answers.items() if answer not in GONE]
        if groups and (time.monotonic() > until or not {answers[group] for group in groups} <= PASSES):
            raise DiedEarly(f"Kafka keeps {groups[0]}: {answers[groups[0]]}")
        time.sleep(LOOK_EVERY_S if groups else 0)
