"""every minute -> unfinished jobs read back from AWX."""

from stoa.entrypoints.schedule import scheduled

handler = scheduled("awx_reconciler", lambda app, remaining_ms: app.deployments.reconcile(remaining_ms))
