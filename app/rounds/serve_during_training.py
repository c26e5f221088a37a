"""The setting `serve_during_training`. Apart from what it does, since whoever reads settings must not import torch."""

from enum import StrEnum


class ServeDuringTraining(StrEnum):
    """KEEP: the model stays and answers. BUFFER: it stays, but answers only who would have to wait otherwise.

    OFFLOAD: its weights go to the CPU's memory; people judge what lies ready, and nothing is sampled.
    """

    KEEP = "keep"
    BUFFER = "buffer"
    OFFLOAD = "offload"
