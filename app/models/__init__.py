"""Base models before a home uses one: fetching, checking, licence."""
