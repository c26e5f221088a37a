"""Activity: the audit log, judgments per day, statistics per person, and the webhook outbox."""
