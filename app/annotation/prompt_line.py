"""The order of prompts: the one with the fewest pairs comes first; one that gave no pair goes to the end of the line.

Of a store's first 48 pairs a quarter is held out, whatever share of the prompts is: a new version is distinguished from
another by its margin on held-out pairs, and with the seven or eight that chance gives among fifty, even a good one
often is not.
"""

import asyncio
from collections.abc import Collection

from app.annotation.set_aside import SetAside
from data.prompts.prompts import Prompts
from data.records import Prompt, Split

_FIRST_PAIRS = 48
_FIRST_HELDOUT_SHARE = 0.25
"""This gives 12 held-out pairs. A mean margin as large as its spread, as SmolLM2 has after 50 judgments, is then
distinguished from 0 in 0.88 of rounds; with seven pairs in 0.61 (normal gains)."""


class PromptLine:
    """Hands out prompts, each to one maker at a time, except those that are set aside."""

    def __init__(self, prompts: Prompts, aside: SetAside) -> None:
        self._prompts = prompts
        self._aside = aside
        self._in_work: set[int] = set()
        self._later: dict[int, int] = {}
        self._turn = 0
        self._one_at_a_time = asyncio.Lock()

    async def next(self) -> Prompt | None:
        """Return the next prompt, reserved until `release`; None if there is none.

        Prompts at the end of the line are next when as many others as there are have had their turn, or no others are
        left.
        """
        async with self._one_at_a_time:
            self._turn += 1
            self._later = {prompt: due for prompt, due in self._later.items() if due > self._turn}
            found = await self._first(self._later.keys())
            if found is None and self._later:
                self._later.clear()
                found = await self._first(())
            if found is not None:
                self._in_work.add(found.id)
            return found

    def reserve(self, prompt: Prompt) -> None:
        """Reserve a prompt out of turn."""
        self._in_work.add(prompt.id)

    def release(self, prompt: Prompt) -> None:
        """Release a prompt, so that it can be handed out again."""
        self._in_work.discard(prompt.id)

    async def to_the_end(self, prompt: Prompt) -> None:
        """Move a prompt behind all others."""
        self._later[prompt.id] = self._turn + await self.length()

    async def length(self) -> int:
        """Return how many prompts may be handed out, retired ones included."""
        return await asyncio.to_thread(self._prompts.count) - len(self._aside.ids)

    async def _first(self, later: Collection[int]) -> Prompt | None:
        return await asyncio.to_thread(self._find, {*self._in_work, *self._aside.ids, *later})

    def _find(self, exclude: Collection[int]) -> Prompt | None:
        first = self._prompts.first_pairs(_FIRST_PAIRS)
        made = sum(first.values())
        if made < _FIRST_PAIRS and first[Split.HELDOUT] < _FIRST_HELDOUT_SHARE * made:
            found = self._prompts.next(exclude, Split.HELDOUT)
            if found is not None:
                return found
        return self._prompts.next(exclude)
