"""Rendering conversations as prompts, and turning completions into answers: templates, reasoning, stop strings."""
