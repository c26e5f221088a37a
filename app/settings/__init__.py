"""Settings of a home: what `prefloop.toml` and the command line say, and what holds in effect."""
