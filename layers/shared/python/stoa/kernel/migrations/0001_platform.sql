-- Roles. stoa_worker owns nothing: it reaches platform tables by grant and tenant tables through
-- row-level security. stoa_admin_read may read every tenant, and nothing else. Nobody gets BYPASSRLS.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'stoa_worker') THEN CREATE ROLE stoa_worker; END IF;
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'stoa_admin_read') THEN CREATE ROLE stoa_admin_read; END IF;
END $$;
-- without INHERIT: a worker must switch to the reading role, it does not silently have its policy
GRANT stoa_admin_read TO stoa_worker WITH INHERIT FALSE, SET TRUE;

-- Platform tables: operational, no tenant sees them.

CREATE TABLE outbox (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id text NOT NULL UNIQUE,
  topic text NOT NULL,
  key text NOT NULL,
  headers jsonb NOT NULL,
  value bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  published_at timestamptz
);
CREATE INDEX outbox_unpublished ON outbox (key, seq) WHERE published_at IS NULL;

CREATE TABLE inbox (
  consumer text NOT NULL,
  event_id text NOT NULL,
  claimed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, event_id)
);

CREATE TABLE attempts (
  consumer text NOT NULL,
  topic text NOT NULL,
  partition int NOT NULL,
  record_offset bigint NOT NULL,
  tries int NOT NULL,
  PRIMARY KEY (consumer, topic, partition, record_offset)
);

CREATE TABLE waiting_keys (
  consumer text NOT NULL,
  key text NOT NULL,
  since timestamptz NOT NULL,
  PRIMARY KEY (consumer, key)
);

CREATE TABLE consumer_progress (
  consumer text PRIMARY KEY,
  last_success timestamptz NOT NULL
);

CREATE TABLE parked (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  consumer text NOT NULL,
  key text NOT NULL,
  topic text NOT NULL,
  partition int NOT NULL,
  record_offset bigint NOT NULL,
  record jsonb NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT now(),
  tried_at timestamptz,
  UNIQUE (consumer, topic, partition, record_offset)
);
CREATE INDEX parked_by_key ON parked (consumer, key, id);

CREATE TABLE pushes (
  id text PRIMARY KEY,
  project_id bigint NOT NULL,
  ref text NOT NULL,
  before_sha text NOT NULL,
  after_sha text NOT NULL,
  pusher text NOT NULL,
  trace_id text NOT NULL,
  state text NOT NULL CHECK (state IN ('accepted', 'done', 'skipped', 'refused')),
  outcome jsonb NOT NULL DEFAULT '[]',
  received_at timestamptz NOT NULL,
  processed_at timestamptz
);

CREATE TABLE branches (
  project_id bigint NOT NULL,
  ref text NOT NULL,
  head text NOT NULL,
  PRIMARY KEY (project_id, ref)
);

CREATE TABLE project_tenants (
  project_id bigint NOT NULL,
  tenant text NOT NULL,
  PRIMARY KEY (project_id, tenant)
);

-- A commit that the platform itself is about to make, written before it is made.
CREATE TABLE commit_intents (
  id text PRIMARY KEY,
  project_id bigint NOT NULL,
  sha text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX commit_intents_by_sha ON commit_intents (project_id, sha);

CREATE TABLE started_by_hand (
  key text PRIMARY KEY,
  subject text NOT NULL,
  deployment_id text NOT NULL
);

CREATE TABLE generations (
  subject text PRIMARY KEY,
  generation bigint NOT NULL
);

CREATE TABLE lanes (
  tenant text NOT NULL,
  api text NOT NULL,
  environment text NOT NULL,
  deployment_id text,
  last_generation bigint NOT NULL DEFAULT 0,
  awx_job_id bigint,
  launch_started_at timestamptz,
  lost_deployment_id text,
  retry_at timestamptz,
  retries int NOT NULL DEFAULT 0,
  PRIMARY KEY (tenant, api, environment)
);
CREATE INDEX lanes_busy ON lanes (deployment_id) WHERE deployment_id IS NOT NULL;
CREATE INDEX lanes_lost ON lanes (retry_at) WHERE lost_deployment_id IS NOT NULL;
CREATE INDEX lanes_by_job ON lanes (awx_job_id) WHERE awx_job_id IS NOT NULL;

-- Tenant tables: projections, under forced row-level security.

CREATE TABLE artefacts (
  tenant text NOT NULL,
  sha256 text NOT NULL,
  openapi_type text NOT NULL,
  document bytea NOT NULL,
  report jsonb NOT NULL,
  stored_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, sha256)
);

CREATE TABLE deployments (
  id text PRIMARY KEY,
  tenant text NOT NULL,
  api text NOT NULL,
  environment text NOT NULL,
  action text NOT NULL CHECK (action IN ('deploy', 'undeploy')),
  generation bigint NOT NULL,
  state text NOT NULL CHECK
    (state IN ('requested', 'launching', 'running', 'succeeded', 'failed', 'superseded', 'cancelled')),
  project_id bigint NOT NULL,
  commit_sha text NOT NULL,
  trigger text NOT NULL,
  requested_by text NOT NULL,
  trace_id text NOT NULL,
  api_version text,
  launch_vars jsonb,
  artefact_sha256 text,
  awx_job_id bigint,
  result jsonb,
  error jsonb,
  requested_at timestamptz NOT NULL,
  finished_at timestamptz,
  UNIQUE (tenant, api, environment, generation)
);
CREATE INDEX deployments_newest ON deployments (tenant, id DESC);
CREATE INDEX deployments_waiting ON deployments (tenant, api, environment, generation) WHERE state = 'requested';

CREATE TABLE deployment_steps (
  tenant text NOT NULL,
  deployment_id text NOT NULL REFERENCES deployments (id),
  name text NOT NULL,
  status text NOT NULL CHECK (status IN ('in_progress', 'success', 'failed')),
  started_at timestamptz NOT NULL,
  completed_at timestamptz,
  detail text,
  PRIMARY KEY (deployment_id, name)
);

CREATE TABLE api_status (
  tenant text NOT NULL,
  api text NOT NULL,
  environment text NOT NULL,
  generation bigint NOT NULL,
  deployment_id text NOT NULL,
  status text NOT NULL,
  serving_generation bigint NOT NULL DEFAULT 0,
  serving_deployment_id text,
  serving_version text,
  serving_commit text,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, api, environment)
);

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['artefacts', 'deployments', 'deployment_steps', 'api_status'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_tenant ON %I TO stoa_worker'
      ' USING (tenant = current_setting(''app.tenant'', true))'
      ' WITH CHECK (tenant = current_setting(''app.tenant'', true))', name);
    EXECUTE format('CREATE POLICY every_tenant ON %I FOR SELECT TO stoa_admin_read USING (true)', name);
    EXECUTE format('GRANT SELECT ON %I TO stoa_admin_read', name);
  END LOOP;
END $$;

GRANT SELECT, INSERT, UPDATE, DELETE ON outbox, inbox, attempts, waiting_keys, consumer_progress, parked,
  pushes, branches, project_tenants, commit_intents, generations, lanes, started_by_hand TO stoa_worker;
GRANT SELECT, INSERT ON artefacts TO stoa_worker;
GRANT SELECT, INSERT, UPDATE ON deployments, deployment_steps, api_status TO stoa_worker;
