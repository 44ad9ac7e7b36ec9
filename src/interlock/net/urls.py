"""The parts of a URL that say where its resource is: scheme, host, port, credentials (RFC 3986 §3; RFC 7617).

What a URL of a scheme has to be beside that stands where the scheme is spoken.  All raise :class:`ValueError`.
"""

import binascii
from urllib.parse import SplitResult, quote, unquote, urlsplit

__all__ = ["basic_credentials", "split_url", "url_credentials", "url_host", "url_port", "url_target"]


def split_url(url: str, schemes: tuple[str, str]) -> tuple[SplitResult, bool]:
    """The parts of ``url``, and whether its scheme is the second, the secure one."""
    if any(character <= " " or character == "\x7f" for character in url):
        raise ValueError("a URL has no white space and no control characters")  # urlsplit() would drop them
    split = urlsplit(url)
    if split.scheme not in schemes:
        raise ValueError(f"the scheme has to be {schemes[0]} or {schemes[1]}, not {split.scheme[:64]!r}")
    return split, split.scheme == schemes[1]


def url_host(split: SplitResult) -> str:
    """The host: a name in ASCII, or an address without brackets."""
    host = split.hostname
    if not host:
        raise ValueError("the URL names no host")
    if ":" not in host and "[" in split.netloc:
        raise ValueError("what stands in brackets has to be an IPv6 address (RFC 3986 §3.2.2)")  # not a name
    if host.isascii():
        return host
    try:
        return host.encode("idna").decode("ascii")
    except UnicodeError:
        raise ValueError("the host's name cannot be written in ASCII (RFC 3490)") from None


def url_port(split: SplitResult, default: int) -> int:
    """The port; ``default`` where there is none."""
    port = split.port  # which raises ValueError itself
    if port == 0:
        raise ValueError("nothing has the port 0")
    return default if port is None else port


def url_credentials(split: SplitResult) -> tuple[str, str] | None:
    """User and password, if any."""
    if split.username is None:
        return None
    return unquote(split.username), unquote(split.password or "")


def url_target(url: str, split: SplitResult) -> bytes:
    """Path and query, as a request's target in origin-form (RFC 9112 §3.2.1).  ``split``: the parts of ``url``."""
    target = quote(split.path or "/", safe="/!$&'()*+,;=:@%~")
    if split.query or "?" in url.partition("#")[0]:
        target += "?" + quote(split.query, safe="/!$&'()*+,;=:@%~?")
    return target.encode("ascii")


def basic_credentials(credentials: tuple[str, str] | None) -> bytes | None:
    """The credentials as RFC 7617 writes them."""
    if credentials is None:
        return None
    user, password = credentials
    if ":" in user:
        raise ValueError("a user's name has no colon (RFC 7617 §2)")
    return b"Basic " + binascii.b2a_base64(f"{user}:{password}".encode(), newline=False)
