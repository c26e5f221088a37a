"""People: accounts, passwords, sign-ins."""
