"""Which prompts train and which are held out: decided by the prompt's hash alone, for ever. Knows no tables."""

from data.records import Split

_HASH_RANGE = 16**16


def split_of(sha256: str, heldout_share: float) -> Split:
    """The split of a prompt by its digest, for a share of held-out prompts in 0 to 1."""
    # The digest's end decides, because its beginning orders the queue: one would otherwise sort the other.
    return Split.HELDOUT if int(sha256[-16:], 16) < heldout_share * _HASH_RANGE else Split.TRAIN
