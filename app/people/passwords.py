"""Password rules and argon2id hashes.

Hashing takes a core for a tenth of a second, so requests do it in a HashingQueue.
"""

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from data.errors import InputError

SHORTEST = 8
LONGEST = 256


class Passwords:
    """Hashes and verifies passwords."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._nobodys = self._hasher.hash(secrets.token_urlsafe())

    def hash(self, password: str) -> str:
        """Return the hash to store. Raises InputError for a password of fewer than 8 or more than 256 characters."""
        if not SHORTEST <= len(password) <= LONGEST:
            raise InputError(
                "The password has {length} characters; it must have {shortest} to {longest}.",
                length=len(password),
                shortest=SHORTEST,
                longest=LONGEST,
            )
        return self._hasher.hash(password)

    def fits(self, stored: str | None, password: str) -> bool:
        """Return whether a password matches a stored hash; None never matches, but takes the same time."""
        try:
            return self._hasher.verify(stored or self._nobodys, password[: LONGEST + 1]) and stored is not None
        except (VerificationError, InvalidHashError):
            return False

    def outdated(self, stored: str) -> bool:
        """Return whether a hash was made with weaker parameters than the current ones."""
        return self._hasher.check_needs_rehash(stored)
