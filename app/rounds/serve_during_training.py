"""The setting `serve_during_training`, in a module of its own, since reading settings must not import torch."""

from enum import StrEnum


class ServeDuringTraining(StrEnum):
    """What the model does while a round trains.

    KEEP: it stays loaded and answers. BUFFER: it stays loaded, but samples only for people who would have to wait.
    OFFLOAD: its weights move to CPU memory; people judge pairs that are ready, and nothing is sampled.
    """

    KEEP = "keep"
    BUFFER = "buffer"
    OFFLOAD = "offload"
