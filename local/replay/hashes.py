"""What a projection holds, as one number to compare: the same for the live tables and for rebuilt ones."""

from dataclasses import dataclass
from typing import Any

import psycopg

from stoa.kernel.tables import Projection

# per row, then per bucket of rows, then over all, each in order: nothing ever has to fit into memory as a whole.
# OFFSET keeps PostgreSQL from hashing a row again wherever its hash is named.
_HASH = """
SELECT coalesce(sum(rows), 0)::bigint, encode(sha256(coalesce(string_agg(part, ''::bytea ORDER BY bucket), '')), 'hex')
FROM (
  SELECT bucket, count(*) AS rows, sha256(string_agg(h, ''::bytea ORDER BY h)) AS part
  FROM (
    SELECT substring(h FOR 2) AS bucket, h
    FROM (SELECT sha256(convert_to(ROW({columns})::text, 'UTF8')) AS h FROM {schema}.{table} OFFSET 0) AS hashed
  ) AS placed
  GROUP BY bucket
) AS buckets
"""


@dataclass(frozen=True)
class Hash:
    rows: int
    sha256: str


def hashed(connection: psycopg.Connection[Any], schema: str, projection: Projection) -> Hash:
    """In UTF-8, UTC and PostgreSQL's own text of a row."""
    statement = _HASH.format(columns=", ".join(projection.columns), schema=schema, table=projection.table)
    row = connection.execute(statement).fetchone()
    return Hash(*row) if row else Hash(0, "")
