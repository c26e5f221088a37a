"""Stop strings: texts that end an answer, wherever they begin or end within tokens."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

_SPARE = 8  # tokens decoded before the relevant ones: some decoders treat the first tokens differently
_HALF_A_CHARACTER = "�"


class StopStrings:
    """Stop strings of one model, beside its EOS tokens. Empty strings are ignored."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, strings: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._strings = tuple(filter(None, strings))
        # a token is at least one byte, so a stop string completed by the newest token began at most this many before
        self._window = max((len(string.encode()) for string in self._strings), default=0) + _SPARE

    def met(self, token_ids: Sequence[int]) -> bool:
        """Return whether the newest token completes a stop string; control tokens count as their text."""
        return bool(self._strings) and self._first(self._decoded(token_ids[-self._window :])) is not None

    def text(self, token_ids: Sequence[int], *, whole: bool = True) -> str:
        """Return an answer without control tokens, up to the first stop string.

        whole=False: more may follow, so an incomplete stop string or character at the end is held back.
        """
        said = self._decoded(token_ids) if self._strings else ""
        end = self._first(said)
        if end is not None:
            before = self._tokens_within(token_ids, end)
            rest = said[len(self._decoded(token_ids[:before])) : end]
            return self._decoded(token_ids[:before], plain=True) + rest
        text = self._decoded(token_ids, plain=True)
        return text if whole else self.certain(text)

    def before(self, text: str) -> str:
        """Return a text up to its first stop string."""
        return text[: self._first(text)]

    def certain(self, text: str) -> str:
        """Remove from the end of a text what may become a stop string or another character."""
        text = text.rstrip(_HALF_A_CHARACTER)
        begun = (n for n in range(self._window, 0, -1) if any(s[:-1].startswith(text[-n:]) for s in self._strings))
        return text[: -next(begun, 0) or None] if text else text

    def _first(self, text: str) -> int | None:
        """Return where the first stop string begins."""
        return min((at for string in self._strings if (at := text.find(string)) >= 0), default=None)

    def _tokens_within(self, token_ids: Sequence[int], characters: int) -> int:
        """Return how many tokens end within this many characters."""
        count = len(token_ids)
        while count and len(self._decoded(token_ids[:count])) > characters:
            count -= 1
        return count

    def _decoded(self, token_ids: Sequence[int], *, plain: bool = False) -> str:
        return str(self._tokenizer.decode(list(token_ids), skip_special_tokens=plain))
