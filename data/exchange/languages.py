"""Detect the language of a text, offline."""

from py3langid.langid import MODEL_FILE, LanguageIdentifier


class Languages:
    """A language detector. It goes by letter sequences; a few words are not enough to be sure."""

    def __init__(self) -> None:
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE)

    def of(self, text: str) -> str:
        """Return the most likely language of a text, as its ISO 639-1 code where it has one."""
        language, _ = self._identifier.classify(text)
        return str(language)
