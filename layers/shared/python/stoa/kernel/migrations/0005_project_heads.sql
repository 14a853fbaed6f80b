-- depends: 0003_branch_moved_at 0004_outbox_refused
-- A project has one state on the gateway, whichever branch is its default: what was processed last is one
-- commit per project. `ref` says on which branch, so that a changed default branch is noticed.
CREATE TABLE project_heads (
  project_id bigint PRIMARY KEY,
  ref text NOT NULL,
  head text NOT NULL,
  moved_at timestamptz NOT NULL
);
INSERT INTO project_heads (project_id, ref, head, moved_at)
  SELECT DISTINCT ON (project_id) project_id, ref, head, moved_at FROM branches ORDER BY project_id, moved_at DESC;
DROP TABLE branches;
GRANT SELECT, INSERT, UPDATE, DELETE ON project_heads TO stoa_worker;
CREATE INDEX deployments_by_project ON deployments (project_id, tenant, api, environment, generation DESC);
