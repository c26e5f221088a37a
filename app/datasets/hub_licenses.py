"""Licence of a dataset card on the Hugging Face hub, which accepts only the names that it knows.

https://huggingface.co/docs/hub/repositories-licenses
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

UNKNOWN = "unknown"
_OTHER = "other"
_SEVERAL = "several"
_KNOWN = """
apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl
lgpl-2.1 lgpl-3.0 isc lppl-1.3c ms-pl mpl-2.0 odc-by odbl openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib
pddl lgpl-lr deepfloyd-if-license llama2 gemma unknown other
"""
_NOT_IN_A_NAME = re.compile(r"[^\w.+-]+")


class CardLicense(NamedTuple):
    """A licence that the hub knows, or `other` with a name."""

    id: str
    name: str | None = None


def card_license(said: Iterable[str]) -> CardLicense:
    """Combine licences as people wrote them; unknown if any part is, since the whole then cannot be relied on."""
    names = {name.strip().lower() for name in said} or {UNKNOWN}
    if UNKNOWN in names:
        return CardLicense(UNKNOWN)
    if len(names) > 1:
        return CardLicense(_OTHER, _SEVERAL)
    [name] = names
    if name in _KNOWN.split():
        return CardLicense(name)
    return CardLicense(_OTHER, _NOT_IN_A_NAME.sub("-", name).strip("-") or _OTHER)
