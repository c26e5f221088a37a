"""The longest sequence that a model reads, whatever its config calls that; base.py asks once, when it loads a model."""

from transformers import PretrainedConfig, PreTrainedTokenizerBase

# in the order of trust; what a family calls it
_NAMES = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "context_length",
    "max_sequence_length",
)
_SANE = 1 << 24  # a tokenizer that knows no limit says 10^30
WITHOUT_POSITIONS = 2048  # what Bloom and Mamba, which have no positions, were trained with


def context_length(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int:
    """Tokens that a model reads: by its config, else by its tokenizer, else `WITHOUT_POSITIONS`."""
    text = config.get_text_config()
    for name in _NAMES:
        said = getattr(text, name, None)
        if isinstance(said, int) and said > 0:
            return said
    limit = tokenizer.model_max_length
    return int(limit) if limit < _SANE else WITHOUT_POSITIONS
