"""Rounds in the store: which judgments a round uses, frozen as its snapshot."""
