"""every five minutes -> pushes whose webhook never arrived."""

from stoa.entrypoints.schedule import scheduled

handler = scheduled("gitlab_reconciler", lambda app, remaining_ms: app.gitops.catch_up(remaining_ms))
