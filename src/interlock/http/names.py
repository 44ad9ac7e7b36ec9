"""Field names as they are commonly written, each with its lower-case form (RFC 9110 §5.1).

Looking a name up here settles in one step that it is a token and what its lower-case form is.
"""

from typing import Final

__all__ = ["CONNECTION_SPECIFIC", "INTERPRETED", "KNOWN_NAMES", "PLAIN_NAMES"]

_NAMES: Final = """
Accept Accept-CH Accept-Charset Accept-Encoding Accept-Language Accept-Patch Accept-Post Accept-Ranges
Access-Control-Allow-Credentials Access-Control-Allow-Headers Access-Control-Allow-Methods Access-Control-Allow-Origin
Access-Control-Expose-Headers Access-Control-Max-Age Access-Control-Request-Headers Access-Control-Request-Method
Age Allow Alt-Svc Authorization Cache-Control CDN-Cache-Control Clear-Site-Data Connection Content-Disposition
Content-Encoding Content-Language Content-Length Content-Location Content-Range Content-Security-Policy
Content-Security-Policy-Report-Only Content-Type Cookie Cross-Origin-Embedder-Policy Cross-Origin-Opener-Policy
Cross-Origin-Resource-Policy Date Device-Memory DNT Early-Data ETag Expect Expires Forwarded From Host HTTP2-Settings
If-Match If-Modified-Since If-None-Match If-Range If-Unmodified-Since Keep-Alive Last-Event-ID Last-Modified Link
Location Max-Forwards NEL Origin Permissions-Policy Pragma Priority Proxy-Authenticate Proxy-Authorization
Proxy-Connection Range Referer Referrer-Policy Refresh Report-To Reporting-Endpoints Retry-After Sec-CH-UA
Sec-CH-UA-Mobile Sec-CH-UA-Platform Sec-Fetch-Dest Sec-Fetch-Mode Sec-Fetch-Site Sec-Fetch-User Sec-GPC
Sec-WebSocket-Accept Sec-WebSocket-Extensions Sec-WebSocket-Key Sec-WebSocket-Protocol Sec-WebSocket-Version Server
Server-Timing Set-Cookie SourceMap Strict-Transport-Security TE Timing-Allow-Origin Trailer Transfer-Encoding Upgrade
Upgrade-Insecure-Requests User-Agent Vary Via Want-Content-Digest WWW-Authenticate X-Content-Type-Options
X-DNS-Prefetch-Control X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto X-Frame-Options
X-Powered-By X-Real-IP X-Request-ID X-Requested-With X-XSS-Protection
"""


def _known_names() -> dict[bytes, bytes]:
    known: dict[bytes, bytes] = {}
    for written in _NAMES.encode("ascii").split():
        lower = known.setdefault(written.lower(), written.lower())
        for spelling in (written, written.title(), written.upper()):
            known[spelling] = lower
    return known


#: A name as written -> its lower-case form.
KNOWN_NAMES: Final = _known_names()

#: Fields that decide how a message is framed, or how its connection goes on: whoever reads them has to interpret them.
INTERPRETED: Final = frozenset((b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"expect"))

#: Fields that belong to a connection of HTTP/1.1, and have no place in other versions (RFC 9113 §8.2.2).
CONNECTION_SPECIFIC: Final = frozenset(
    (b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade")
)

#: KNOWN_NAMES without those that have to be interpreted.
PLAIN_NAMES: Final = {written: lower for written, lower in KNOWN_NAMES.items() if lower not in INTERPRETED}
