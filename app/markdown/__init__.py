"""Markdown that models write, as HTML that is safe to show."""
