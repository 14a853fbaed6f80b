-- depends: 0016_rollouts_again
-- Offsets of a partition begin again when its topic is made anew or restored. A person says so by adding one: from then
-- on objects have names of their own.
ALTER TABLE archive_ledger ADD COLUMN history int NOT NULL DEFAULT 0;
