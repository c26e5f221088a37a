"""Train a LoRA adapter from a snapshot of preferences: one round directory in, adapter and manifest out."""
