"""Log-probabilities under all who are compared, by the training forward pass, each computed once and in batches.

Knows nothing of what the answers are, nor of what their numbers say.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager

from trainer.forward.logprobs import Forward
from trainer.forward.packing import Group
from trainer.forward.reference import ReferenceLogps, group_logps
from trainer.forward.token_budget import TokenBudget
from trainer.model.adapter import Adapter
from trainer.model.lora import Lora
from trainer.model.policy import Policy, check_head


class Scorer:
    """A policy by its name and others by theirs; None is the bare base.

    tell is called with a number of groups whenever so many more are done. Raises AdapterError for an adapter that
    changes the output head.
    """

    def __init__(
        self,
        policy: Policy,
        forward: Forward,
        budget: TokenBudget,
        *,
        name: str,
        others: Mapping[str, Adapter | None],
        tell: Callable[[int], None] = lambda _: None,
    ) -> None:
        for adapter in others.values():
            if adapter is not None:
                check_head(policy.base, adapter)
        self._policy = policy
        self._forward = forward
        self._budget = budget
        self._name = name
        self._others = others
        self._tell = tell
        self._known: dict[str, ReferenceLogps] = {}

    def add(self, name: str, found: ReferenceLogps) -> None:
        """Take what was computed elsewhere, by the same forward pass."""
        self._known.setdefault(name, {}).update(found)

    def unknown(self, name: str, groups: Sequence[Group]) -> list[Group]:
        """Those that are still to be computed under one, each once."""
        known = self._known.get(name, {})
        return [group for group in dict.fromkeys(groups) if group not in known]

    def logps(self, name: str, groups: Sequence[Group]) -> ReferenceLogps:
        """Of all completions of these groups, and of whatever else was asked of that name. Raises KeyError."""
        missing = self.unknown(name, groups)
        if missing:
            with self._acting(name):
                found = group_logps(self._policy, self._forward, missing, self._budget, done=self._tell)
            self.add(name, found)
        return self._known.get(name, {})

    def _acting(self, name: str) -> AbstractContextManager[None]:
        if name == self._name:
            return self._policy.acting()
        adapter = self._others[name]
        return self._policy.stack.acting(*([] if adapter is None else [Lora(adapter).freeze()]))
