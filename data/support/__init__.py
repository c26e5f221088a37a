"""What all of data rests on: clock, digests, files written whole, full disks, types of settings."""
