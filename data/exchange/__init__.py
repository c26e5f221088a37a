"""Preference data in and out of the store."""
