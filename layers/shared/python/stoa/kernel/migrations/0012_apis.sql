-- depends: 0011_notifications
-- The APIs that Git has, or had: one row each, a projection of api-created, api-updated and api-deleted. A deleted one
-- stays as a tombstone; `created_generation` is the one with which its present life began.
CREATE TABLE apis (
  tenant text NOT NULL,
  api text NOT NULL,
  generation bigint NOT NULL,
  created_generation bigint NOT NULL,
  project_id bigint NOT NULL,
  commit_sha text NOT NULL,
  environments text[] NOT NULL,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL,
  deleted_at timestamptz,
  deleted_by text,
  PRIMARY KEY (tenant, api)
);
CREATE INDEX apis_by_project ON apis (project_id, tenant) WHERE deleted_at IS NULL;
ALTER TABLE apis ENABLE ROW LEVEL SECURITY;
ALTER TABLE apis FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON apis TO stoa_worker USING (tenant = current_setting('app.tenant', true))
  WITH CHECK (tenant = current_setting('app.tenant', true));
CREATE POLICY every_tenant ON apis FOR SELECT TO stoa_admin_read USING (true);
GRANT SELECT ON apis TO stoa_admin_read;
GRANT SELECT, INSERT, UPDATE ON apis TO stoa_worker;
