"""02:00 UTC -> rows of the inbox and the outbox whose time is over are removed."""

from stoa.entrypoints.schedule import scheduled

handler = scheduled("nightly_cleanup", lambda app, remaining_ms: app.lifecycle.clean_up(remaining_ms))
