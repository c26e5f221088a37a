"""Settings of a home: from `prefloop.toml` and the command line, and the values in effect."""
