"""Training rounds: planned, started by hand or automatically, and trained in a process of their own."""
