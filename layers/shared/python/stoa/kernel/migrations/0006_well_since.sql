-- depends: 0005_project_heads
-- Since when a consumer gets work done without a long pause: a record is given up only in times when others go on.
-- The default is for functions that are still of the version before.
ALTER TABLE consumer_progress ADD COLUMN well_since timestamptz NOT NULL DEFAULT now();
