"""Synthetic annotators at a real server, and what a study with them came to."""
