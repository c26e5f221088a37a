"""Where a model comes from: files, cache, hub, GGUF, quantised weights, licence."""
