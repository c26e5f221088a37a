"""The sampler: batched decoding in which every row may use its own LoRA adapter."""
