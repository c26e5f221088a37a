"""A home kept safe: backups, and the check that it is whole."""
