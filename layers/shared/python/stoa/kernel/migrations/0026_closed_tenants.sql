-- depends: 0025_no_commit_intents
-- A closed tenant keeps its row: its audit is still there, so that nobody else may be given its name.
ALTER TABLE tenants ADD COLUMN closed_at timestamptz, ADD COLUMN closed_by text;
