"""Request targets and authorities (RFC 9112 §3.2; RFC 9110 §4.2, §7.2; RFC 3986 §3.2).

The target's form has to fit the method: origin-form, absolute-form, authority-form only with CONNECT, asterisk-form
only with OPTIONS.
"""

import ipaddress
from typing import Final

from interlock.http.errors import LocalProtocolError, excerpt
from interlock.http.octets import (
    ALPHA,
    DIGIT,
    HEXDIG,
    IPVFUTURE,
    REG_NAME,
    SCHEME,
    TARGET,
    TARGET_OBS_TEXT,
    within,
)

__all__ = ["check_authority", "check_target", "same_authority"]

_DEFAULT_PORTS: Final = {b"http": b"80", b"https": b"443", b"ws": b"80", b"wss": b"443"}


def check_target(method: bytes, target: bytes, obs_text: bool = False) -> bytes:
    """Raise :class:`LocalProtocolError` unless ``target`` is one that ``method`` can have.

    Returns the authority that an absolute-form target names as b"scheme://authority", else b"".  ``obs_text`` lets
    octets from 0x80 stand in it.
    """
    if not target or not within(target, TARGET_OBS_TEXT if obs_text else TARGET):
        raise LocalProtocolError(f"illegal octet in request target {excerpt(target)} (RFC 9112 §3.2)")
    if target[0] == 0x2F and method != b"CONNECT":
        return b""
    if method == b"CONNECT":
        host, colon, port = target.rpartition(b":")
        if not colon or not port or not host:
            raise LocalProtocolError(f"CONNECT needs host:port, not {excerpt(target)} (RFC 9112 §3.2.3)")
        check_authority(target)
        return b""
    if target == b"*":
        if method != b"OPTIONS":
            raise LocalProtocolError("the target * is for OPTIONS only (RFC 9112 §3.2.4)")
        return b""
    scheme, colon, rest = target.partition(b"://")
    if not colon or not scheme or not within(scheme, SCHEME) or not within(scheme[:1], ALPHA):
        raise LocalProtocolError(f"the target {excerpt(target)} has none of the four forms (RFC 9112 §3.2)")
    end = len(rest)
    for delimiter in (b"/", b"?"):
        at = rest.find(delimiter)
        if 0 <= at < end:
            end = at
    authority = rest[:end]
    if not authority:
        raise LocalProtocolError(f"the target {excerpt(target)} names no host (RFC 9110 §4.2.1)")
    check_authority(authority)
    return scheme.lower() + b"://" + authority


def check_authority(authority: bytes) -> None:
    """Raise :class:`LocalProtocolError` unless ``authority`` is ``uri-host [":" port]``, without userinfo.

    An empty one passes: where that is allowed is for the caller to say (RFC 9112 §3.2).
    """
    if within(authority, REG_NAME):
        return
    if authority[:1] == b"[":
        host, bracket, rest = authority[1:].partition(b"]")
        if not bracket or (rest and rest[:1] != b":") or not _is_ip_literal(host):
            raise LocalProtocolError(f"bad IP literal in {excerpt(authority)} (RFC 3986 §3.2.2)")
        port = rest[1:]
    else:
        host, colon, port = authority.partition(b":")
        if not host or not _is_reg_name(host):
            raise LocalProtocolError(f"bad host in {excerpt(authority)} (RFC 9110 §7.2)")
    if len(port) > 5 or not within(port, DIGIT) or (port and int(port) > 65535):
        raise LocalProtocolError(f"bad port in {excerpt(authority)} (RFC 3986 §3.2.3)")


def _is_reg_name(host: bytes) -> bool:
    pieces = host.split(b"%")
    if not within(pieces[0], REG_NAME):
        return False
    for i in range(1, len(pieces)):
        piece = pieces[i]
        if len(piece) < 2 or not within(piece[:2], HEXDIG) or not within(piece[2:], REG_NAME):
            return False
    return True


def _is_ip_literal(host: bytes) -> bool:
    if host[:1] in (b"v", b"V"):
        version, dot, address = host[1:].partition(b".")
        return bool(version and dot and address) and within(version, HEXDIG) and within(address, IPVFUTURE)
    if b"%" in host or not host.isascii():
        return False
    try:
        ipaddress.IPv6Address(host.decode("ascii"))
    except ValueError:
        return False
    return True


def same_authority(origin: bytes, host: bytes) -> bool:
    """Whether ``origin``, b"scheme://authority", and a Host value name the same authority (RFC 9112 §3.2.2).

    Case does not matter, and neither does the scheme's default port.
    """
    scheme, _, authority = origin.partition(b"://")
    default = b":" + _DEFAULT_PORTS.get(scheme, b"")
    return authority.lower().removesuffix(default) == host.lower().removesuffix(default)
