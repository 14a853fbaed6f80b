-- depends: 0021_ended_sessions
-- What people ask to be changed of an API in Git: written before the commit, which carries `Stoa-Intent: <id>`. `wanted`
-- is what the files are made of and is emptied at the end, `files` their hashes (null for a removed one), which a commit
-- must have that calls itself this change's; `base` and `base_generation` are what the asker had seen. An API has one
-- unfinished change at most.
CREATE TABLE api_changes (
  id text PRIMARY KEY,
  tenant text NOT NULL,
  api text NOT NULL,
  action text NOT NULL CHECK (action IN ('create', 'replace', 'delete', 'publish', 'deprecate')),
  state text NOT NULL CHECK (state IN ('requested', 'committed', 'done', 'refused')),
  project_id bigint NOT NULL,
  base text,
  base_generation bigint NOT NULL,
  wanted jsonb NOT NULL,
  files jsonb,
  commit_sha text,
  requested_by text NOT NULL,
  trace_id text NOT NULL,
  error jsonb,
  requested_at timestamptz NOT NULL,
  finished_at timestamptz
);
CREATE UNIQUE INDEX api_changes_unfinished ON api_changes (tenant, api) WHERE state IN ('requested', 'committed');
ALTER TABLE api_changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE api_changes FORCE ROW LEVEL SECURITY;
CREATE POLICY own_tenant ON api_changes TO stoa_worker
  USING (tenant = current_setting('app.tenant', true) AND callers(tenant))
  WITH CHECK (tenant = current_setting('app.tenant', true) AND callers(tenant));
CREATE POLICY every_tenant ON api_changes FOR SELECT TO stoa_admin_read USING (callers(tenant));
GRANT SELECT ON api_changes TO stoa_admin_read;
GRANT SELECT, INSERT, UPDATE ON api_changes TO stoa_worker;

-- draft, published or deprecated, with its dates, as api.yaml says it
ALTER TABLE apis ADD COLUMN lifecycle jsonb NOT NULL DEFAULT '{"state": "draft", "deprecated": null, "sunset": null}';
