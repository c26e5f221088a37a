"""The SQLite database: its writer, readers, lock, migrations and backups."""
