"""The TLS context of a server, from the files that hold its certificate chain and key (RFC 8446; ALPN: RFC 7301)."""

import os
import ssl

from interlock.server.errors import StartError

__all__ = ["server_context"]


def server_context(cert: str, key: str | None = None, password: str | None = None) -> ssl.SSLContext:
    """A context for TLS 1.2 and later that offers ``http/1.1``.

    ``cert``: a PEM file with the certificate and those that lead to a root; ``key``: a PEM file with its private key,
    None where that is in the first too; ``password``: the key's, if it is encrypted.  Raises :class:`StartError`.
    """
    _readable(cert, b"CERTIFICATE-----", "certificate")
    _readable(key or cert, b"PRIVATE KEY-----", "private key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert, key, lambda: _password(password, key or cert))
    except ssl.SSLError as error:
        raise StartError(_explain(error, cert, key or cert, password)) from None
    except ValueError as error:  # a password that is longer than OpenSSL takes
        raise StartError(f"cannot use the password of {key or cert}: {error}") from None
    return context


def _readable(path: str, marker: bytes, what: str) -> None:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        raise StartError(f"cannot read {what} {path}: {error.strerror}") from None
    if marker not in content:
        raise StartError(f"{path} holds no {what} in PEM form")


def _password(password: str | None, path: str) -> str:
    if password is None:
        raise StartError(f"the private key in {path} is encrypted: put its password into INTERLOCK_TLS_KEY_PASSWORD")
    return password


def _explain(error: ssl.SSLError, cert: str, key: str, password: str | None) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the private key in {key} does not belong to the certificate in {cert}"
    if password is not None and error.reason in ("BAD_DECRYPT", "BAD_PASSWORD_READ", None):
        return f"the password does not open the private key in {key}"
    reason = error.reason.replace("_", " ").lower() if error.reason else "malformed PEM"
    files = cert if os.path.samefile(cert, key) else f"{cert} or {key}"
    return f"cannot use the certificate or private key in {files}: {reason}"
