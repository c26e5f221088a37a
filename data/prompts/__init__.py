"""Prompts, their conversations and splits, and the built-in catalogue."""
