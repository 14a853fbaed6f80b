-- depends: 0012_apis
-- The newest event of each API that Argo CD is to follow, and how far that is. Operational, a platform table: it holds
-- names and states, and a tick goes over all of them.
CREATE TABLE rollouts (
  tenant text NOT NULL,
  api text NOT NULL,
  generation bigint NOT NULL,
  revision text NOT NULL,
  trace_id text NOT NULL,
  state text NOT NULL CHECK (state IN
    ('waiting', 'syncing', 'automatic', 'removing', 'succeeded', 'failed', 'superseded', 'removed')),
  started_at timestamptz NOT NULL,
  asked_at timestamptz,
  degraded_since timestamptz,
  finished_at timestamptz,
  detail text,
  looked_at timestamptz,
  PRIMARY KEY (tenant, api)
);
CREATE INDEX rollouts_followed ON rollouts (looked_at NULLS FIRST) WHERE state IN ('syncing', 'automatic', 'removing');
CREATE INDEX rollouts_by_trace ON rollouts (trace_id);
GRANT SELECT, INSERT, UPDATE ON rollouts TO stoa_worker;
