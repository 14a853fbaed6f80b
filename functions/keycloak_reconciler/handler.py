"""every minute -> the roles that Git gives the members of tenants, and ends of sessions that were begun."""

from stoa.entrypoints.schedule import scheduled

handler = scheduled(
    "keycloak_reconciler",
    lambda app, remaining_ms: app.sessions.finish(remaining_ms) + app.members.sync(remaining_ms),
)
