"""Turns a snapshot of preferences into an adapter. Knows neither SQL nor gradio."""
