"""The training algorithms and what they share: losses, optimiser, the course of a run."""
