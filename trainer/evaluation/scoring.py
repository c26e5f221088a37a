"""Log-probabilities of groups under all contenders, by the training forward pass, each computed only once."""

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
    """Scores groups under a policy (`name`) and under other adapters by name, where None is the base.

    tell: called with the number of groups computed, after each part. Raises AdapterError for an adapter that changes
    the output head.
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
        """Add log-probabilities that were computed elsewhere by the same forward pass."""
        self._known.setdefault(name, {}).update(found)

    def unknown(self, name: str, groups: Sequence[Group]) -> list[Group]:
        """Return the groups not yet computed under a name, each once."""
        known = self._known.get(name, {})
        return [group for group in dict.fromkeys(groups) if group not in known]

    def logps(self, name: str, groups: Sequence[Group]) -> ReferenceLogps:
        """Return the logps of all completions of these groups (and of others known for the name). Raises KeyError."""
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
