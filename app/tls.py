"""TLS by the server itself: its certificate and key, and how the command line of the same home trusts them."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError


@dataclass(frozen=True, slots=True)
class Tls:
    """A certificate with its chain, and its key, as PEM files; without a key file it is in the same file."""

    certificate: Path
    key: Path | None

    def check(self) -> None:
        """Raise InputError, with the reason, when a server could not use them."""
        for file in filter(None, (self.certificate, self.key)):
            try:
                file.read_bytes()
            except OSError as error:
                raise InputError(
                    f"{file} cannot be read: {error.strerror}; name another file with --tls-cert and --tls-key"
                ) from error
        try:
            # An empty password: else a key that has one would make OpenSSL ask for it on the terminal.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self.certificate, self.key, password="")
        except ssl.SSLError as error:
            raise InputError(
                f"{self.certificate} and {self.key or 'the key in it'} are no certificate with its key in PEM, or the "
                f"key has a password ({error}); name others with --tls-cert and --tls-key"
            ) from error


def trusting(certificate: Path) -> ssl.SSLContext:
    """What lets a program of the same home connect: this very certificate, by whatever name the server is reached.

    Raises InputError when it cannot be read.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the file may hold no root
    try:
        context.load_verify_locations(certificate)
    except OSError as error:
        raise InputError(f"the server's certificate {certificate} cannot be read: {error}") from error
    return context
