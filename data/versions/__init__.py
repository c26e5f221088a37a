"""Versions in the store: decisions, serving history, comparisons and their statistics."""
