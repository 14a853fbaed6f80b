-- depends: 0008_traces
-- Who cancelled the holder of a lane while AWX was being asked to start it: the launch ends, or its job is stopped.
ALTER TABLE lanes ADD COLUMN cancelled_by text;
