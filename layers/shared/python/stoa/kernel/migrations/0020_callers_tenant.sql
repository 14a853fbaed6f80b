-- depends: 0017_archive_histories
-- A request of somebody who belongs to one tenant sets app.caller: from then on nothing of another tenant can be read
-- or written in its transactions, whatever the application forgets to ask for. Consumers set none.
CREATE FUNCTION callers(tenant text) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE
  RETURN coalesce(nullif(current_setting('app.caller', true), ''), tenant) = tenant;

DO $$
DECLARE name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['artefacts', 'deployments', 'deployment_steps', 'api_status', 'apis',
    'notification_channels', 'notifications'] LOOP
    EXECUTE format('ALTER POLICY every_tenant ON %I USING (callers(tenant))', name);
    EXECUTE format('ALTER POLICY own_tenant ON %I'
      ' USING (tenant = current_setting(''app.tenant'', true) AND callers(tenant))'
      ' WITH CHECK (tenant = current_setting(''app.tenant'', true) AND callers(tenant))', name);
  END LOOP;
  FOREACH name IN ARRAY ARRAY['project_tenants', 'changes', 'change_counters', 'rollouts'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
    EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY platform ON %I TO stoa_worker'
      ' USING (callers(tenant)) WITH CHECK (callers(tenant))', name);
    EXECUTE format('CREATE POLICY every_tenant ON %I FOR SELECT TO stoa_admin_read USING (callers(tenant))', name);
  END LOOP;
END $$;

-- a push belongs to a project; a tenant sees the pushes of its projects
ALTER TABLE pushes ENABLE ROW LEVEL SECURITY;
ALTER TABLE pushes FORCE ROW LEVEL SECURITY;
CREATE POLICY platform ON pushes TO stoa_worker USING (nullif(current_setting('app.caller', true), '') IS NULL)
  WITH CHECK (nullif(current_setting('app.caller', true), '') IS NULL);
CREATE POLICY every_tenant ON pushes FOR SELECT TO stoa_admin_read
  USING (nullif(current_setting('app.caller', true), '') IS NULL
    OR EXISTS (SELECT FROM project_tenants AS p WHERE p.project_id = pushes.project_id));
GRANT SELECT ON project_tenants TO stoa_admin_read;
