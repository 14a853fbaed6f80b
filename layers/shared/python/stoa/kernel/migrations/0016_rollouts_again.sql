-- depends: 0015_notification_ends
-- What an application showed before its sync was asked for: whatever differs from it, or comes after it, began since,
-- whosever clock is wrong. A row that was given up before its sync ran is 'refused': its dead letter can be replayed.
ALTER TABLE rollouts ADD COLUMN operation_before timestamptz, ADD COLUMN history_before bigint;
ALTER TABLE rollouts DROP CONSTRAINT rollouts_state_check;
ALTER TABLE rollouts ADD CONSTRAINT rollouts_state_check CHECK (state IN
  ('waiting', 'syncing', 'automatic', 'removing', 'succeeded', 'failed', 'refused', 'superseded', 'removed'));
-- When a key last waited for what somebody wants, such as a closed window.
ALTER TABLE waiting_keys ADD COLUMN expected_at timestamptz;
