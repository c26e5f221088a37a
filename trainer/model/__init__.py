"""The base model, its LoRA adapters, and the memory they take."""
