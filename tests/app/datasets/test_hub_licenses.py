import pytest

from app.datasets.hub_licenses import card_license


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ((), ("unknown", None)),
        (("mit",), ("mit", None)),
        (("CC-BY-4.0", "cc-by-4.0 "), ("cc-by-4.0", None)),
        (("mit", "unknown"), ("unknown", None)),
        (("mit", "cc0-1.0"), ("other", "several")),
        (("Mine, v1.0",), ("other", "mine-v1.0")),
        (("!?",), ("other", "other")),
    ],
)
def test_the_hub_is_told_a_licence_that_it_knows_or_a_name(said: tuple[str, ...], told: tuple[str, str | None]) -> None:
    assert card_license(said) == told
