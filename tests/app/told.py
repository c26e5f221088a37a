"""A stand-in for webhooks that remembers what it was told."""

from collections.abc import Mapping

from app.background.webhooks import Event


class Told(list[tuple[Event, dict[str, object]]]):
    """Call it as webhooks are told."""

    async def __call__(self, event: Event, detail: Mapping[str, object]) -> None:
        self.append((event, dict(detail)))
