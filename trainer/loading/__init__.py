"""Loading a model: files, cache, hub, GGUF, quantised weights, licence."""
