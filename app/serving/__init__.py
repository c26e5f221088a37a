"""Serving: the engine that samples answers, and the router that decides which version does."""
