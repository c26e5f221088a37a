"""Log-probabilities of packed batches: encoding, packing, attention, memory budget, reference."""
