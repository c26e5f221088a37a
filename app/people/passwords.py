"""Passwords: which are fit, and their argon2id hashes. Knows nothing of people.

Hashing takes a core for a tenth of a second: for requests it is done in a HashingQueue.
"""

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from data.errors import InputError

SHORTEST = 8
LONGEST = 256


class Passwords:
    """Hashes passwords and checks them."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())

    def hash(self, password: str) -> str:
        """The hash to keep. Raises InputError for a password of fewer than 8 or more than 256 characters."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise InputError(
                "The password has {length} characters; it must have {shortest} to {longest}.",
                length=len(password),
                shortest=SHORTEST,
                longest=LONGEST,
            )
        return self._hasher.hash(password)

    def fits(self, stored: str | None, password: str) -> bool:
        """Whether this is the password of a stored hash; None fits nothing and costs the same work."""
        try:
            return self._hasher.verify(stored or self._nobodys, password[: LONGEST + 1]) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, stored: str) -> bool:
        """Whether a hash was made with weaker parameters than are used now."""
        return self._hasher.check_needs_rehash(stored)
