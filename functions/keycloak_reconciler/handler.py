"""every minute -> the roles that Git gives the members of tenants, and ends of sessions that were begun."""

from stoa.entrypoints.schedule import scheduled

handler = scheduled("keycloak_reconciler", lambda app: app.sessions.finish() + app.members.sync())
