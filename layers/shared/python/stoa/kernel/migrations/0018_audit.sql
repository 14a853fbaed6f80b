-- depends: 0017_archive_histories
-- The hash chain of audit-log as the archive keeps it: one row per partition and history, and one per record of it. A
-- link is written in the transaction that moves the ledger; `digest` is of the whole record, `content` of what it says
-- without its place, null without an event id. Operational: the objects and the checkpoints beside them say the same.
CREATE TABLE audit_chains (
  partition int NOT NULL,
  history int NOT NULL,
  first_offset bigint NOT NULL,
  kept_offset bigint NOT NULL,
  signed_offset bigint NOT NULL,
  records bigint NOT NULL DEFAULT 0,
  head bytea NOT NULL,
  signed_at timestamptz,
  PRIMARY KEY (partition, history)
);
CREATE TABLE audit_links (
  partition int NOT NULL,
  history int NOT NULL,
  record_offset bigint NOT NULL,
  digest bytea NOT NULL,
  content bytea,
  repeated boolean NOT NULL,
  kept_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (partition, history, record_offset)
);
CREATE INDEX audit_links_by_content ON audit_links (partition, history, content) WHERE content IS NOT NULL;
GRANT SELECT, INSERT, UPDATE ON audit_chains TO stoa_worker;
GRANT SELECT, INSERT ON audit_links TO stoa_worker;
