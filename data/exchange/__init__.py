"""Import and export of preference data and prompts."""
