"""The sampler: rows that decode together, each under an adapter of its own."""
