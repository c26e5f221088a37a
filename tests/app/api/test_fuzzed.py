"""The whole REST interface against its own OpenAPI description, by schemathesis, over HTTP to a server of its own."""

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.browser.servers import running

_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
_ENDS_THE_SESSION = re.compile(r"/(sign-out|sessions|password|disable|role)")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """A server's address, and the headers of one of its admins."""
    home = tmp_path_factory.mktemp("fuzzed")
    with running(["tests.browser.canned_server", str(home)], home) as canned:
        credentials = {"login": "boss", "password": "correct horse"}
        token = httpx.post(f"{canned.url}/api/v1/session", json=credentials).json()["token"]
        yield canned.url, {"Authorization": f"Bearer {token}"}


def test_every_answer_is_one_that_the_description_names(server: tuple[str, dict[str, str]]) -> None:
    url, headers = server
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", headers=headers)
    found = [*schema.get_all_operations()]
    operations = [result.ok() for result in found if isinstance(result, Ok)]
    assert len(operations) == len(found)
    assert len(operations) > 20
    for operation in operations:
        if _ENDS_THE_SESSION.search(operation.path):
            continue  # they would sign the fuzzer out; they have tests of their own

        @settings(
            max_examples=15,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(headers=headers, checks=_CHECKS)

        ask()
