"""What all of data rests on: clock, digests, atomic and private files, disk space, types of settings."""
