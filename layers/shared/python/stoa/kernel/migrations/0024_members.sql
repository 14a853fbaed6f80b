-- depends: 0023_api_search
-- What the platform knows of a tenant beside which projects may touch it. Read and written like project_tenants.
CREATE TABLE tenants (
  tenant text PRIMARY KEY,
  display_name text NOT NULL,
  generation bigint NOT NULL,
  created_at timestamptz NOT NULL,
  created_by text NOT NULL,
  updated_at timestamptz NOT NULL,
  updated_by text NOT NULL
);

-- What the newest iam file asks for, and how far Keycloak is with it. `refusal` is of a newer file that was not taken;
-- `authors` wrote what was refused since the one that was taken, NULL when nobody can tell.
-- `error` says why the one that was taken cannot be done. One row with a lease that runs: one worker at Keycloak.
CREATE TABLE member_syncs (
  tenant text PRIMARY KEY,
  project_id bigint NOT NULL,
  generation bigint NOT NULL,
  commit_sha text NOT NULL,
  asked_by text NOT NULL,
  trace_id text NOT NULL,
  asked_at timestamptz NOT NULL,
  state text NOT NULL CHECK (state IN ('none', 'pending', 'synced', 'refused')),
  error jsonb,
  refusal jsonb,
  refused_commit text,
  authors text[] DEFAULT '{}',
  synced_at timestamptz,
  due_at timestamptz NOT NULL,
  leased_until timestamptz
);
CREATE INDEX member_syncs_due ON member_syncs (due_at);

-- The people whom that file names, by their address.
CREATE TABLE tenant_members (
  tenant text NOT NULL,
  email text NOT NULL,
  role text NOT NULL CHECK (role IN ('tenant-admin', 'devops', 'viewer')),
  user_id text,
  state text NOT NULL CHECK (state IN ('pending', 'synced', 'refused')),
  reason text,
  PRIMARY KEY (tenant, email)
);

-- A change of somebody's roles that is about to be made in Keycloak, written before it is made.
CREATE TABLE member_changes (
  tenant text NOT NULL,
  user_id text NOT NULL,
  before text[] NOT NULL,
  after text[] NOT NULL,
  generation bigint NOT NULL,
  commit_sha text NOT NULL,
  actor text NOT NULL,
  trace_id text NOT NULL,
  PRIMARY KEY (tenant, user_id)
);

-- A session that somebody wants ended, until Keycloak has ended it.
CREATE TABLE session_ends (
  session_id text PRIMARY KEY,
  user_id text NOT NULL,
  tenant text NOT NULL,
  asked_by text NOT NULL,
  ip text NOT NULL,
  trace_id text NOT NULL,
  asked_at timestamptz NOT NULL
);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['tenants', 'member_syncs'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY platform ON %I TO stoa_worker'
      ' USING (callers(tenant)) WITH CHECK (callers(tenant))', name);
    EXECUTE format('CREATE POLICY every_tenant ON %I FOR SELECT TO stoa_admin_read USING (callers(tenant))', name);
    EXECUTE format('GRANT SELECT ON %I TO stoa_admin_read', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE ON %I TO stoa_worker', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['tenant_members', 'member_changes'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_tenant ON %I TO stoa_worker'
      ' USING (tenant = current_setting(''app.tenant'', true) AND callers(tenant))'
      ' WITH CHECK (tenant = current_setting(''app.tenant'', true) AND callers(tenant))', name);
    EXECUTE format('CREATE POLICY every_tenant ON %I FOR SELECT TO stoa_admin_read USING (callers(tenant))', name);
    EXECUTE format('GRANT SELECT ON %I TO stoa_admin_read', name);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %I TO stoa_worker', name);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON session_ends TO stoa_worker;
-- the tenants there are already, under their own name
INSERT INTO tenants (tenant, display_name, generation, created_at, created_by, updated_at, updated_by)
  SELECT DISTINCT tenant, tenant, 0, now(), 'machine:stoa', now(), 'machine:stoa' FROM project_tenants;
