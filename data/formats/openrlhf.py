"""OpenRLHF's preferences, for --apply_chat_template without a prompt key: two conversations that share the prompt.

The rows are those of trl-implicit, and are detected as such when read.

https://github.com/OpenRLHF/OpenRLHF/blob/main/openrlhf/datasets/reward_dataset.py
"""

from data.formats import trl_implicit
from data.formats.format import Format

FORMAT = Format(
    "openrlhf",
    ("chosen", "rejected"),
    trl_implicit.read,
    trl_implicit.write,
    trl_implicit.COLUMNS,
    trl_implicit.are_conversations,
    reasoning=True,
)
