-- depends: 0010_archive
-- Where a tenant wants its messages. The target of a Slack channel is a Vault reference, never the address itself.
CREATE TABLE notification_channels (
  tenant text NOT NULL,
  name text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('slack', 'email')),
  target text NOT NULL CHECK (kind <> 'slack' OR starts_with(target, 'vault:')),
  messages text[] NOT NULL,
  enabled boolean NOT NULL,
  disabled_reason text,
  rests_until timestamptz,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, name)
);

-- One row per message, written before it is sent: `sending` without an end is a try whose outcome nobody knows.
-- `held` waits for a digest; a digest is a row of its own, and its messages name it.
CREATE TABLE notifications (
  tenant text NOT NULL,
  event_id text NOT NULL,
  position bigint GENERATED ALWAYS AS IDENTITY,
  channel text NOT NULL,
  type text NOT NULL,
  trace_id text,
  line text NOT NULL,
  state text NOT NULL CHECK (state IN ('sending', 'waiting', 'sent', 'refused', 'held', 'digested', 'dropped')),
  digest_id text,
  tries int NOT NULL DEFAULT 0,
  taken_at timestamptz NOT NULL,
  tried_at timestamptz,
  ended_at timestamptz,
  error jsonb,
  PRIMARY KEY (tenant, event_id)
);
CREATE INDEX notifications_lately ON notifications (tenant, channel, tried_at);
CREATE INDEX notifications_open ON notifications (tenant, channel, taken_at) WHERE state IN ('sending', 'waiting', 'held');
CREATE INDEX notifications_of_trace ON notifications (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX notifications_of_digest ON notifications (tenant, digest_id) WHERE digest_id IS NOT NULL;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['notification_channels', 'notifications'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_tenant ON %I TO stoa_worker'
      ' USING (tenant = current_setting(''app.tenant'', true))'
      ' WITH CHECK (tenant = current_setting(''app.tenant'', true))', name);
    EXECUTE format('CREATE POLICY every_tenant ON %I FOR SELECT TO stoa_admin_read USING (true)', name);
    EXECUTE format('GRANT SELECT ON %I TO stoa_admin_read', name);
  END LOOP;
END $$;
GRANT SELECT, INSERT, UPDATE, DELETE ON notification_channels TO stoa_worker;
GRANT SELECT, INSERT, UPDATE ON notifications TO stoa_worker;
