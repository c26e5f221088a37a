"""What may not count, and why: the one rule that all share."""
