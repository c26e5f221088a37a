"""What annotators judge: pairs are sampled ahead, leased, and shown blind."""
