"""The interface between server and trainer: round directory, settings, snapshot, manifest."""
