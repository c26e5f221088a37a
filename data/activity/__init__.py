"""Who did what and when: the audit log, activity by day, and the webhook outbox."""
