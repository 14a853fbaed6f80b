-- Run by psql as the master user; may run again at any time. Names and passwords come from the environment.
\set ON_ERROR_STOP on
\getenv name STOA_DATABASE
\getenv secret STOA_PASSWORD
SELECT length(:'name') = 0 OR length(:'secret') < 20 AS unset \gset
\if :unset
  \warn 'a name or a password is missing'
  DO $$ BEGIN RAISE EXCEPTION 'a name or a password is missing'; END $$;
\endif
SELECT format('CREATE ROLE %I LOGIN', :'name') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \gexec
SELECT format('ALTER ROLE %I PASSWORD %L', :'name', :'secret') \gexec
-- the master of RDS is no superuser: it gives a database only to a role that it may become
SELECT format('GRANT %I TO CURRENT_USER', :'name') WHERE NOT pg_has_role(current_user, :'name', 'SET') \gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'name') \gexec
