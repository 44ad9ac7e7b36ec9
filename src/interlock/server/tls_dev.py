"""A certificate for development: made at the start, by an authority of its own that is forgotten at once.

Whoever trusts that authority trusts nothing but this one server: its private key is never written, and no other
certificate can be issued.  The certificate of the authority is put into a file, for clients.
"""

import contextlib
import datetime as dt
import importlib
import os
import ssl
import tempfile
from collections.abc import Iterable

from interlock.server.config import Config
from interlock.server.errors import StartError
from interlock.server.sockets import Address, TCPAddress
from interlock.server.tls import base_context

__all__ = ["DevelopmentCertificate"]

#: How long a certificate holds, in days.
DAYS = 90


class DevelopmentCertificate:
    """A TLS ``context`` for development, and the file ``authority`` (PEM) that a client needs to trust it."""

    def __init__(self, config: Config) -> None:
        """Make all of it.  Raises :class:`StartError`."""
        try:
            trustme = importlib.import_module("trustme")
        except ImportError:
            raise StartError("--tls-dev: trustme is not installed (pip install trustme)") from None
        self.context: ssl.SSLContext = base_context(config)
        ca = trustme.CA()
        expiry = dt.datetime.now(dt.UTC) + dt.timedelta(days=DAYS)
        names = names_of(config.addresses)
        try:
            issued = ca.issue_cert(*names, not_after=expiry)
        except ValueError as error:
            raise StartError(f"--tls-dev: cannot make a certificate for {', '.join(names)}: {error}") from None
        issued.configure_cert(self.context)
        self._owner = os.getpid()
        self._directory = tempfile.mkdtemp(prefix="interlock-")
        self.authority = os.path.join(self._directory, "ca.pem")
        ca.cert_pem.write_to_path(self.authority)

    def remove(self) -> None:
        """Remove the file, in the process that has made it."""
        if os.getpid() == self._owner:
            with contextlib.suppress(OSError):
                os.unlink(self.authority)
                os.rmdir(self._directory)


def names_of(addresses: Iterable[Address]) -> list[str]:
    """What a client may call a server on this machine that listens on ``addresses``."""
    names = ["localhost", "127.0.0.1", "::1"]
    for address in addresses:
        if isinstance(address, TCPAddress):
            host = address.host.partition("%")[0]  # an IPv6 address, without its zone
            if host not in ("0.0.0.0", "::", *names):
                names.append(host)
    return names
