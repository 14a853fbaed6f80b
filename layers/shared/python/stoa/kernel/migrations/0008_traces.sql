-- depends: 0007_changes
CREATE INDEX pushes_by_trace ON pushes (trace_id);
CREATE INDEX deployments_by_trace ON deployments (trace_id);
