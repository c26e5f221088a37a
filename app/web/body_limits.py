"""How large a request's body may be, by its path. Knows nothing of what a path does with it."""

from dataclasses import dataclass

TOO_LARGE = "The request is too large: at most {most} bytes are taken here."


@dataclass(frozen=True, slots=True)
class BodyLimit:
    """most: bytes, None where the route itself has a limit; json: whether it is that, and no file as it is."""

    most: int | None
    json: bool = True

    def forbids(self, content_length: str) -> bool:
        """Whether a body of this length, as a header says it, is too large; one that says none is no length."""
        if self.most is None or not content_length.isdecimal():
            return False
        return len(content_length) > 18 or int(content_length) > self.most


_USUAL = BodyLimit(1_000_000)
_CREDENTIALS = BodyLimit(16_384)
_LIMITS = {
    "/auth/login": _CREDENTIALS,
    "/auth/join": _CREDENTIALS,
    "/auth/link": _CREDENTIALS,
    "/api/v1/session": _CREDENTIALS,
    "/api/v1/completions": BodyLimit(16_000_000),
    "/api/v1/prompts/file": BodyLimit(64_000_000),  # of Chinese, three bytes a character
    "/api/v1/imports/look": BodyLimit(None, json=False),
}


def limit_of(path: str) -> BodyLimit:
    """That of the route at a path."""
    return _LIMITS.get(path, _USUAL)
