"""People in the store: accounts, devices, invites, sessions and pseudonyms."""
