"""Log-probabilities of packed batches: encoding, packing, attention, token budget, reference."""
