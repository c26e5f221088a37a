"""Annotation: completions, pairs, the queue, leases, judgments, flags, gold pairs and guidelines."""
