"""Evaluation of a trained version against other versions."""
