-- depends: 0014_list_of_traces
-- `id` tells a channel from a later one of its name; `looked_at` is when its digest was last tried, so that one which
-- always fails holds up nobody.
ALTER TABLE notification_channels
  ADD COLUMN id text NOT NULL DEFAULT gen_random_uuid()::text,
  ADD COLUMN looked_at timestamptz;

-- Where its record stands in the log: one that was refused and comes from elsewhere was sent again by a person.
ALTER TABLE notifications ADD COLUMN record text;
