"""Rounds in the store: which judgments one takes, frozen as its snapshot."""
