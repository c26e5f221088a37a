"""Which judgments may not count, and why: one rule, shared by everything that uses judgments."""
