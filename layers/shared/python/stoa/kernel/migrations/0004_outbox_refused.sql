-- depends: 0002_pushes_by_commit
-- why Kafka will never take a row; such a row keeps its key from nothing and waits for a person
ALTER TABLE outbox ADD COLUMN refused text;
DROP INDEX outbox_unpublished;
CREATE INDEX outbox_unpublished ON outbox (key, seq) WHERE published_at IS NULL AND refused IS NULL;
CREATE INDEX outbox_refused ON outbox (seq) WHERE refused IS NOT NULL;
