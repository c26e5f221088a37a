"""The REST API, version 1: one module a resource, and what they share."""
