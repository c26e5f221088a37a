"""Find the context length of a model, whatever its config calls it; used by base.py at loading."""

from transformers import PretrainedConfig, PreTrainedTokenizerBase

# config keys by model family, most reliable first
_NAMES = (
    "max_position_embeddings",
    "n_positions",
    "max_seq_len",
    "seq_length",
    "context_length",
    "max_sequence_length",
)
_SANE = 1 << 24  # a tokenizer without a limit reports 10^30
WITHOUT_POSITIONS = 2048  # what Bloom and Mamba, which have no position limit, were trained with


def context_length(config: PretrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return the context length in tokens: from the config, else the tokenizer, else `WITHOUT_POSITIONS`."""
    text = config.get_text_config()
    for name in _NAMES:
        said = getattr(text, name, None)
        if isinstance(said, int) and said > 0:
            return said
    limit = tokenizer.model_max_length
    return int(limit) if limit < _SANE else WITHOUT_POSITIONS
