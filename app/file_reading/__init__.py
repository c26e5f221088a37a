"""Files that somebody brought, read in a process of their own that is limited in time and memory."""
