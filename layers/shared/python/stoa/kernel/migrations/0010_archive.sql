-- depends: 0009_cancelled_launches
-- How far the archive of a partition goes: the next offset that is to be written, and the object that was announced for
-- it. Operational: the objects are the truth.
CREATE TABLE archive_ledger (
  topic text NOT NULL,
  partition int NOT NULL,
  next_offset bigint NOT NULL,
  object_name text,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (topic, partition)
);
GRANT SELECT, INSERT, UPDATE ON archive_ledger TO stoa_worker;
