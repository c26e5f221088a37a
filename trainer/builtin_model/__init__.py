"""The built-in model: its corpus, its training, its model card."""
