from typing import Any

import httpx
import pytest

from app.client.client import Client
from data.errors import PrefloopError


def answering(status: int, **answer: Any) -> Client:
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=answer))
    return Client("http://loop.test", transport=transport)


def test_what_went_wrong_is_said_in_the_words_of_the_api() -> None:
    with answering(404, detail="no round 9") as client, pytest.raises(PrefloopError, match=r"^no round 9$"):
        client.get("/rounds/9")


def test_of_what_cannot_be_read_the_first_is_named_and_why() -> None:
    problems = [{"type": "too_short", "loc": ["body", "tags", 0], "msg": "too short"}, {"loc": ["body"], "msg": "?"}]
    with answering(422, detail=problems) as client, pytest.raises(PrefloopError, match=r"^tags\.0: too short$"):
        client.post("/exports", tags=[""])


@pytest.mark.parametrize("answer", [{}, {"detail": []}])
def test_an_error_without_words_has_its_status(answer: dict[str, Any]) -> None:
    with answering(502, **answer) as client, pytest.raises(PrefloopError, match=r"^the server answered 502$"):
        client.get("/rounds")
