"""Which language a text is in. Knows nothing of who asks."""

from py3langid.langid import MODEL_FILE, LanguageIdentifier


class Languages:
    """Tells languages apart by their letters, offline. A few words are too little to be sure."""

    def __init__(self) -> None:
        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE)

    def of(self, text: str) -> str:
        """The likeliest language of a text, as its ISO 639-1 code where it has one."""
        language, _ = self._identifier.classify(text)
        return str(language)
