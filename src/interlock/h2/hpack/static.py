"""The static table (RFC 7541 Appendix A)."""

from typing import Any, Final

__all__ = ["LARGEST", "REVERSED", "SIZE", "STATIC_FIELDS", "STATIC_NAMES"]

#: A line for each entry, in the order of the indices from 1: the name, and the value if there is one.
_TABLE: Final = b"""\
:authority
:method GET
:method POST
:path /
:path /index.html
:scheme http
:scheme https
:status 200
:status 204
:status 206
:status 304
:status 400
:status 404
:status 500
accept-charset
accept-encoding gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate
"""


def _fields() -> list[Any]:
    fields: list[Any] = []
    for line in _TABLE.splitlines():
        name, _, value = line.partition(b" ")
        fields.append((name, value))
    return fields


def _names(fields: list[Any]) -> dict[bytes, int]:
    names: dict[bytes, int] = {}
    for index, (name, _) in enumerate(fields, 1):
        names.setdefault(name, index)
    return names


_FIELDS: Final = _fields()

#: How many entries there are.
SIZE: Final = 61
#: The entries backwards: index 1 is the last, so that an index is a position from the end.
REVERSED: Final[list[Any]] = _FIELDS[::-1]
#: (name, value) -> its index.
STATIC_FIELDS: Final[dict[Any, int]] = {field: index for index, field in enumerate(_FIELDS, 1)}
#: A name -> the first index that has it.
STATIC_NAMES: Final = _names(_FIELDS)
#: The size of the largest entry (RFC 7541 §4.1).
LARGEST: Final = max(len(name) + len(value) + 32 for name, value in _FIELDS)
