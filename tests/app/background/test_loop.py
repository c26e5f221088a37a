import logging

import pytest

from app.background.loop import in_words
from data.errors import ConflictError


def test_an_error_of_ours_has_its_words_and_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert in_words(ConflictError("A round runs."), during="something") == "A round runs."
    assert not caplog.records


def test_any_other_is_logged_once_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    said = in_words(RuntimeError("boom"), during="pairs were made")
    assert said == "unexpected: RuntimeError('boom')"
    assert in_words(RuntimeError("boom"), during="pairs were made", before=said) == said
    [record] = caplog.records
    assert (record.levelno, record.message) == (logging.ERROR, "pairs were made")
    assert record.exc_info is not None
