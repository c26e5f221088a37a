"""People in the store: accounts, devices, invites, sessions, pseudonyms."""
