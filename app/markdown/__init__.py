"""Render Markdown written by models as safe HTML."""
