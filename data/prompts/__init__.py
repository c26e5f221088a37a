"""Prompts: their conversations and splits, and the catalogue to search them."""
