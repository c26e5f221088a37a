"""The server itself: what it listens on, who may pass, and the application put together."""
