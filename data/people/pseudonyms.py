"""Random pseudonyms that people can read aloud, such as quiet-heron-41."""

import re
import secrets

# fmt: off
_MANNERS = (
    "amber", "brave", "brisk", "calm", "clear", "copper", "crisp", "curious", "dapper", "eager", "fair",
    "fond", "gentle", "glad", "golden", "happy", "humble", "jolly", "keen", "kind", "lively", "lucky",
    "mellow", "merry", "mild", "neat", "nimble", "patient", "plucky", "proud", "quick", "quiet",
    "ready", "rosy", "serene", "silver", "sly", "snug", "sober", "steady", "sunny", "swift", "tidy",
    "warm", "wise", "witty",
)
_ANIMALS = (
    "badger", "beaver", "bison", "crane", "deer", "dolphin", "eagle", "egret", "falcon", "ferret",
    "finch", "fox", "gecko", "hare", "hawk", "heron", "ibis", "jackdaw", "kestrel", "koala", "lark",
    "lemur", "lynx", "marmot", "marten", "mole", "newt", "orca", "osprey", "otter", "owl", "panda",
    "plover", "puffin", "raven", "robin", "seal", "shrew", "sparrow", "stork", "swan", "tern", "thrush",
    "toad", "vole", "walrus", "weasel", "wren",
)
# fmt: on


def random_pseudonym() -> str:
    """Return one of about two hundred thousand names at random."""
    number = 10 + secrets.randbelow(90)
    return f"{secrets.choice(_MANNERS)}-{secrets.choice(_ANIMALS)}-{number}"


def is_pseudonym(name: str) -> bool:
    """Return whether a name looks like one of these."""
    manner, _, rest = name.partition("-")
    animal, _, number = rest.partition("-")
    return manner in _MANNERS and animal in _ANIMALS and re.fullmatch(r"[0-9]{2,3}", number) is not None
