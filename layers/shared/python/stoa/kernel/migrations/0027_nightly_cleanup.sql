-- depends: 0026_closed_tenants
-- The nightly clean-up finds the oldest rows by their time. Rows come in the order of time, so that a summary of each
-- part of the table is enough, and costs the hot path next to nothing. stoa_worker may delete from both since 0001.
CREATE INDEX inbox_by_time ON inbox USING brin (claimed_at) WITH (autosummarize = on);
CREATE INDEX outbox_by_time ON outbox USING brin (published_at) WITH (autosummarize = on);
