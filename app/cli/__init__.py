"""The command `prefloop`: one module a group of commands."""
