-- depends: 0013_rollouts
-- The list of traces joins pushes and deployments of every tenant, and walks both from the newest.
GRANT SELECT ON pushes TO stoa_admin_read;
CREATE INDEX deployments_by_time ON deployments (requested_at, trace_id);
