"""A strict, stateful emulator of GitLab: a real git remote over HTTP, REST v4, and webhooks."""
