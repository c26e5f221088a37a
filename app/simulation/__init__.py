"""Simulated annotators on a real server, and the results of studies with them."""
