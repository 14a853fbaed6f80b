"""every five minutes -> pushes whose webhook never arrived."""

from stoa.entrypoints.schedule import scheduled

handler = scheduled("gitlab_reconciler", lambda app: app.gitops.catch_up())
