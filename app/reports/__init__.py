"""Reports of rounds for people: tables, and a file."""
