"""What the server and the trainer share: round directory, settings, snapshot, manifest."""
