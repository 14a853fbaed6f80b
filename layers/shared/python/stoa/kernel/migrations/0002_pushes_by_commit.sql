-- depends: 0001_platform
CREATE INDEX pushes_by_commit ON pushes (project_id, after_sha);
CREATE INDEX pushes_newest ON pushes (received_at DESC);
