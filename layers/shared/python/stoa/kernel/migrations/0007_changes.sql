-- depends: 0006_well_since
-- What changed last of each thing a tenant has, numbered per tenant in the order of commits: a reader that goes on
-- from a number misses nothing. The number is taken when the transaction commits (a deferred trigger), so that the
-- tenant's row is held for a moment only, after all other locks. Platform tables: they hold names, no content.
CREATE TABLE change_counters (
  tenant text PRIMARY KEY,
  last bigint NOT NULL
);
CREATE TABLE changes (
  tenant text NOT NULL,
  kind text NOT NULL,
  entity_id text NOT NULL,
  version bigint NOT NULL,
  PRIMARY KEY (tenant, kind, entity_id)
);
CREATE UNIQUE INDEX changes_in_order ON changes (tenant, version);

-- arguments: the kind, and the column that has the id
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  WITH next AS (
    INSERT INTO change_counters AS counter (tenant, last) VALUES (NEW.tenant, 1)
    ON CONFLICT (tenant) DO UPDATE SET last = counter.last + 1 RETURNING last
  )
  INSERT INTO changes (tenant, kind, entity_id, version)
    SELECT NEW.tenant, TG_ARGV[0], to_jsonb(NEW) ->> TG_ARGV[1], last FROM next
  ON CONFLICT (tenant, kind, entity_id) DO UPDATE SET version = excluded.version;
  RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER changed AFTER INSERT OR UPDATE ON deployments
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_change('deployment', 'id');
CREATE CONSTRAINT TRIGGER changed AFTER INSERT OR UPDATE ON deployment_steps
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_change('deployment', 'deployment_id');

GRANT SELECT, INSERT, UPDATE ON change_counters, changes TO stoa_worker;
GRANT SELECT ON change_counters, changes TO stoa_admin_read;
CREATE INDEX deployments_unfinished ON deployments (tenant) WHERE finished_at IS NULL;
