"""Reports of rounds for people: tables for pages, and a Markdown file."""
