"""Base models before any home has one: got, looked at, and under which licence."""
