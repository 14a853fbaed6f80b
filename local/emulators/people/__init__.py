"""What people would read: strict Slack webhooks, and a mail server that keeps what it takes."""
