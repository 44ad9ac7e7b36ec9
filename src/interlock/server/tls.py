"""The TLS context of a server, from the files that hold its certificate chain and key (RFC 8446; ALPN: RFC 7301).

What RFC 9113 §9.2 asks of TLS for HTTP/2 holds for all connections, since what is spoken is only agreed on meanwhile.
"""

import os
import ssl
from typing import Final

from interlock.server.config import Config
from interlock.server.errors import StartError

__all__ = ["base_context", "server_context"]

#: Of TLS 1.2, with ephemeral keys and authenticated encryption: none of those that RFC 9113 Appendix A prohibits.
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
#: What is offered for each major version of HTTP, by ALPN.
PROTOCOL_IDS: Final = {"1": "http/1.1", "2": "h2"}
VERIFY_MODES: Final = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def server_context(config: Config) -> ssl.SSLContext:
    """A context with the certificate and key of ``config.tls_cert``, ``tls_key`` and ``tls_key_password``.

    The first file holds the certificate and those that lead to a root; and the private key, if there is no second.
    Raises :class:`StartError`.
    """
    assert config.tls_cert is not None
    cert, key, password = config.tls_cert, config.tls_key or config.tls_cert, config.tls_key_password
    _readable(cert, b"CERTIFICATE-----", "certificate")
    _readable(key, b"PRIVATE KEY-----", "private key")
    context = base_context(config)
    try:
        context.load_cert_chain(cert, key, lambda: _password(password, key))
    except ssl.SSLError as error:
        raise StartError(_explain(error, cert, key, password)) from None
    except ValueError as error:  # a password that is longer than OpenSSL takes
        raise StartError(f"cannot use the password of {key}: {error}") from None
    return context


def base_context(config: Config) -> ssl.SSLContext:
    """A context that has all but a certificate.  Raises :class:`StartError`.

    It takes TLS 1.2 and later, offers the protocols of ``config.http``, HTTP/2 before HTTP/1.1, and asks clients for the
    certificates that ``config`` says.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols([PROTOCOL_IDS[version] for version in sorted(config.http, reverse=True)])
    context.verify_mode = VERIFY_MODES[config.client_cert]
    if config.tls_client_ca is not None and context.verify_mode != ssl.CERT_NONE:
        _readable(config.tls_client_ca, b"CERTIFICATE-----", "certificate")
        try:
            context.load_verify_locations(config.tls_client_ca)
        except ssl.SSLError as error:
            raise StartError(f"cannot use the certificates in {config.tls_client_ca}: {_reason(error)}") from None
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
    files = cert if os.path.samefile(cert, key) else f"{cert} or {key}"
    return f"cannot use the certificate or private key in {files}: {_reason(error)}"


def _reason(error: ssl.SSLError) -> str:
    return error.reason.replace("_", " ").lower() if error.reason else "malformed PEM"
