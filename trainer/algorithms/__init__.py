"""The training algorithms and what they share: losses, optimiser, training run with checkpoints."""
