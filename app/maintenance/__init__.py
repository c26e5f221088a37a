"""Maintenance of a home: backups, and the check for damage."""
