"""What the origins answer over HTTP/1.1, by the path of the request: well formed and not.

``RESPONSES`` are octets, each a case of its own.  ``answers`` has the others too.
"""

import gzip
import json
import zlib

import brotli
import zstandard
from tests.httpx.origin import EARLY, END, HOLD, RELAY, RESET, RETURN, STALL, TLS

OK = b"HTTP/1.1 200 OK\r\n"
HELLO = OK + b"Content-Length: 5\r\n\r\nhello"
TEXT = b"the same again and again, " * 200
LARGE = bytes(range(256)) * 4096


def headed(*fields, content=b"", status=b"200 OK"):
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"HTTP/1.1 " + status + b"\r\n" + lines + b"\r\n" + content


def with_length(content, *fields):
    return headed(b"Content-Length: %d" % len(content), *fields, content=content)


def chunked(*lines, fields=()):
    return headed(b"Transfer-Encoding: chunked", *fields, content=b"".join(line + b"\r\n" for line in lines))


def octets(whole):
    """Each octet on its own."""
    return [whole[place : place + 1] for place in range(len(whole))]


def coded(coding, content):
    return with_length(content, b"Content-Encoding: " + coding)


FIVE = b"Content-Length: 5"

#: Well formed, and answered by who knows the RFCs.
GOOD = {
    "length": [HELLO],
    "length-0": [with_length(b"")],
    "in-octets": octets(with_length(b"hello", b"X-A: b")),
    "in-octets-chunked": octets(chunked(b"5", b"hello", b"3;a=b", b"abc", b"0", b"X-T: 1", b"")),
    "large": [with_length(LARGE)],
    "large-chunked": [chunked(b"%x" % len(LARGE), LARGE, b"0", b"")],
    "many-chunks": [chunked(*[b"1", b"x"] * 20_000, b"0", b"")],
    "many-chunks-extended": [chunked(*[b"1;a=b", b"x"] * 1000, b"0", b"")],
    "chunked": [chunked(b"5", b"hello", b"6", b" world", b"0", b"")],
    "chunked-empty": [chunked(b"0", b"")],
    "chunked-case": [headed(b"transfer-encoding: CHUNKED", content=b"5\r\nhello\r\n0\r\n\r\n")],
    "chunk-size-padded": [chunked(b"0005", b"hello", b"0000", b"")],
    "chunk-size-hex": [chunked(b"A", b"0123456789", b"a", b"0123456789", b"0", b"")],
    "chunk-extension": [chunked(b'5;a;b=c;d="e f"', b"hello", b"0;last", b"")],
    "trailers": [chunked(b"5", b"hello", b"0", b"X-Checksum: 5d41", b"X-Other: b", b"")],
    "until-close": [headed(content=b"hello"), END],
    "until-close-empty": [headed(), END],
    "until-close-large": [headed(content=LARGE), END],
    "http-1.0": [b"HTTP/1.0 200 OK\r\n\r\nhello", END],
    "http-1.0-length": [b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", END],
    "close": [headed(FIVE, b"Connection: close", content=b"hello"), END],
    "no-content": [headed(status=b"204 No Content")],
    "not-modified": [headed(b"Content-Length: 100", b'ETag: "a"', status=b"304 Not Modified")],
    "reset-content": [headed(b"Content-Length: 0", status=b"205 Reset Content")],
    "continue-first": [b"HTTP/1.1 100 Continue\r\n\r\n" + HELLO],
    "early-hints": [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 2, HELLO],
    "processing": [b"HTTP/1.1 102 Processing\r\n\r\n", HELLO],
    "no-reason": [b"HTTP/1.1 200 \r\n" + FIVE + b"\r\n\r\nhello"],
    "odd-reason": [headed(FIVE, content=b"hello", status=b"200 All (is) well: 'yes'")],
    "latin-reason": [headed(FIVE, content=b"hello", status=b"200 d\xe9j\xe0 vu")],
    "unknown-status": [headed(FIVE, content=b"hello", status=b"299 Odd")],
    "not-found": [headed(FIVE, content=b"hello", status=b"404 Not Found")],
    "unavailable": [headed(FIVE, b"Retry-After: 1", content=b"hello", status=b"503 Service Unavailable")],
    "latin-value": [with_length(b"", b"X-Name: caf\xe9")],
    "utf-8-value": [with_length(b"", "X-Name: café".encode())],
    "empty-value": [with_length(b"", b"X-Empty:", b"X-Blank: \t ")],
    "no-blank": [with_length(b"", b"X-A:b")],
    "much-blank": [with_length(b"", b"X-A: \t b c \t ")],
    "repeated": [with_length(b"", b"Set-Cookie: a=1", b"set-cookie: b=2", b"Vary: a", b"VARY: b")],
    "odd-names": [with_length(b"", b"x_y: 1", b"!#$%&'*+-.^_`|~09: 2", b"X-CaSe: 3")],
    "long-value": [with_length(b"", b"X-Long: " + b"x" * 20_000)],
    "longer-value": [with_length(b"", b"X-Long: " + b"x" * 90_000)],
    "many-fields": [with_length(b"", *[b"X-A: b"] * 900)],
    "gzip": [coded(b"gzip", gzip.compress(TEXT))],
    "gzip-chunked": [
        chunked(b"%x" % len(gzip.compress(TEXT)), gzip.compress(TEXT), b"0", b"", fields=[b"Content-Encoding: gzip"])
    ],
    "x-gzip": [coded(b"x-gzip", gzip.compress(TEXT))],
    "deflate": [coded(b"deflate", zlib.compress(TEXT))],
    "br": [coded(b"br", brotli.compress(TEXT))],
    "zstd": [coded(b"zstd", zstandard.compress(TEXT))],
    "gzip-br": [coded(b"gzip, br", brotli.compress(gzip.compress(TEXT)))],
    "identity": [coded(b"identity", TEXT)],
    "unknown-coding": [coded(b"rot13", b"uryyb")],
    "not-gzip": [coded(b"gzip", b"hello")],
    "latin-text": [with_length("café".encode("latin-1"), b"Content-Type: text/plain; charset=iso-8859-1")],
    "upgrade-offered": [with_length(b"hello", b"Upgrade: h2c", b"Connection: Upgrade")],
}

#: Malformed, cut off, or a lie.
BAD = {
    "nothing": [END],
    "reset": [RESET],
    "garbage": [b"hello there, what are you saying?\r\n\r\n", END],
    "http-0.9": [b"hello", END],
    "cut-in-status": [b"HTTP/1.1 2", END],
    "cut-in-head": [OK + b"Content-Le", END],
    "cut-behind-head-line": [OK, END],
    "reset-in-head": [OK, RESET],
    "cut-in-content": [headed(b"Content-Length: 10", content=b"hello"), END],
    "reset-in-content": [headed(b"Content-Length: 10", content=b"hello"), RESET],
    "cut-before-content": [headed(b"Content-Length: 10"), END],
    "cut-in-chunk": [headed(b"Transfer-Encoding: chunked", content=b"5\r\nhel"), END],
    "cut-in-chunk-size": [headed(b"Transfer-Encoding: chunked", content=b"5"), END],
    "cut-behind-chunk": [headed(b"Transfer-Encoding: chunked", content=b"5\r\nhello\r\n"), END],
    "cut-before-trailers": [headed(b"Transfer-Encoding: chunked", content=b"5\r\nhello\r\n0\r\n"), END],
    "cut-in-trailers": [headed(b"Transfer-Encoding: chunked", content=b"5\r\nhello\r\n0\r\nX-A: b"), END],
    "cut-in-1xx": [b"HTTP/1.1 100 Continue\r\n", END],
    "cut-behind-1xx": [b"HTTP/1.1 100 Continue\r\n\r\n", END],
    "http-2.0": [b"HTTP/2.0 200 OK\r\n" + FIVE + b"\r\n\r\nhello", END],
    "http-1.2": [b"HTTP/1.2 200 OK\r\n" + FIVE + b"\r\n\r\nhello", END],
    "http-lower": [b"http/1.1 200 OK\r\n" + FIVE + b"\r\n\r\nhello", END],
    "status-99": [headed(FIVE, content=b"hello", status=b"99 Odd"), END],
    "status-1000": [headed(FIVE, content=b"hello", status=b"1000 Odd"), END],
    "status-000": [headed(FIVE, content=b"hello", status=b"000 Odd"), END],
    "status-signed": [headed(FIVE, content=b"hello", status=b"+20 Odd"), END],
    "status-word": [headed(FIVE, content=b"hello", status=b"OK"), END],
    "reason-control": [headed(FIVE, content=b"hello", status=b"200 a\x00b"), END],
    "reason-cr": [headed(FIVE, content=b"hello", status=b"200 a\rb"), END],
    "no-reason-no-blank": [headed(FIVE, content=b"hello", status=b"200"), END],
    "blank-twice": [b"HTTP/1.1  200 OK\r\n" + FIVE + b"\r\n\r\nhello", END],
    "empty-line-first": [b"\r\n" + HELLO, END],
    "blank-before-fields": [OK + b" X-A: b\r\n" + FIVE + b"\r\n\r\nhello", END],
    "bare-lf": [HELLO.replace(b"\r\n", b"\n"), END],
    "bare-lf-in-fields": [OK + b"X-A: b\n" + FIVE + b"\r\n\r\nhello", END],
    "bare-cr": [OK + b"X-A: b\rX-B: c\r\n" + FIVE + b"\r\n\r\nhello", END],
    "folded": [OK + b"X-A: b\r\n c\r\n" + FIVE + b"\r\n\r\nhello", END],
    "blank-before-colon": [OK + b"X-A : b\r\n" + FIVE + b"\r\n\r\nhello", END],
    "no-colon": [OK + b"X-A\r\n" + FIVE + b"\r\n\r\nhello", END],
    "no-name": [OK + b": b\r\n" + FIVE + b"\r\n\r\nhello", END],
    "name-with-blank": [OK + b"X A: b\r\n" + FIVE + b"\r\n\r\nhello", END],
    "name-latin": [OK + b"X-\xe9: b\r\n" + FIVE + b"\r\n\r\nhello", END],
    "value-nul": [OK + b"X-A: b\x00c\r\n" + FIVE + b"\r\n\r\nhello", END],
    "value-control": [OK + b"X-A: b\x01c\r\n" + FIVE + b"\r\n\r\nhello", END],
    "value-del": [OK + b"X-A: b\x7fc\r\n" + FIVE + b"\r\n\r\nhello", END],
    "length-negative": [headed(b"Content-Length: -5", content=b"hello"), END],
    "length-signed": [headed(b"Content-Length: +5", content=b"hello"), END],
    "length-hex": [headed(b"Content-Length: 0x5", content=b"hello"), END],
    "length-word": [headed(b"Content-Length: five", content=b"hello"), END],
    "length-empty": [headed(b"Content-Length:", content=b"hello"), END],
    "length-fraction": [headed(b"Content-Length: 5.0", content=b"hello"), END],
    "length-underscore": [headed(b"Content-Length: 0_5", content=b"hello"), END],
    "length-padded": [headed(b"Content-Length: 05", content=b"hello"), END],
    "length-huge": [headed(b"Content-Length: " + b"9" * 40, content=b"hello"), END],
    "length-twice": [headed(FIVE, FIVE, content=b"hello"), END],
    "length-list": [headed(b"Content-Length: 5, 5", content=b"hello"), END],
    "length-twice-different": [headed(FIVE, b"Content-Length: 6", content=b"hello"), END],
    "length-list-different": [headed(b"Content-Length: 5, 6", content=b"hello"), END],
    "length-and-chunked": [headed(FIVE, b"Transfer-Encoding: chunked", content=b"5\r\nhello\r\n0\r\n\r\n"), END],
    "transfer-gzip": [headed(b"Transfer-Encoding: gzip", content=gzip.compress(TEXT)), END],
    "transfer-gzip-chunked": [headed(b"Transfer-Encoding: gzip, chunked", content=b"5\r\nhello\r\n0\r\n\r\n"), END],
    "transfer-chunked-twice": [headed(*[b"Transfer-Encoding: chunked"] * 2, content=b"0\r\n\r\n"), END],
    "transfer-chunked-list": [headed(b"Transfer-Encoding: chunked, chunked", content=b"0\r\n\r\n"), END],
    "transfer-identity": [headed(b"Transfer-Encoding: identity", content=b"hello"), END],
    "transfer-empty": [headed(b"Transfer-Encoding:", content=b"0\r\n\r\n"), END],
    "transfer-in-1.0": [b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", END],
    "transfer-in-204": [headed(b"Transfer-Encoding: chunked", status=b"204 No Content"), END],
    "transfer-in-1xx": [b"HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n" + HELLO, END],
    "length-in-1xx": [b"HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\n" + HELLO, END],
    "chunk-size-word": [chunked(b"five", b"hello", b"0", b""), END],
    "chunk-size-0x": [chunked(b"0x5", b"hello", b"0", b""), END],
    "chunk-size-signed": [chunked(b"+5", b"hello", b"0", b""), END],
    "chunk-size-negative": [chunked(b"-5", b"hello", b"0", b""), END],
    "chunk-size-empty": [chunked(b"", b"hello", b"0", b""), END],
    "chunk-size-blank-first": [chunked(b" 5", b"hello", b"0", b""), END],
    "chunk-size-blank-behind": [chunked(b"5 ", b"hello", b"0", b""), END],
    "chunk-size-huge": [chunked(b"f" * 16, b"hello", b"0", b""), END],
    "chunk-size-long": [chunked(b"0" * 30 + b"5", b"hello", b"0", b""), END],
    "chunk-too-long": [chunked(b"5", b"hello there", b"0", b""), END],
    "chunk-too-short": [chunked(b"5", b"hel", b"0", b""), END],
    "chunk-bare-lf": [headed(b"Transfer-Encoding: chunked", content=b"5\nhello\n0\n\n"), END],
    "chunk-extension-control": [chunked(b"5;a=\x00", b"hello", b"0", b""), END],
    "chunk-extension-long": [chunked(b"5;a=" + b"x" * 20000, b"hello", b"0", b""), END],
    "trailer-bad": [chunked(b"5", b"hello", b"0", b"X A: b", b""), END],
    "trailer-framing": [chunked(b"5", b"hello", b"0", FIVE, b""), END],
    "head-too-long": [headed(b"X-Long: " + b"x" * 200_000, FIVE, content=b"hello"), END],
    "head-without-end": [OK, b"X-A: b\r\n" * 100_000, HOLD],
    "line-without-end": [OK + b"X-A: ", b"x" * 1_000_000, HOLD],
    "too-many-fields": [headed(*[b"X-A: b"] * 1000, FIVE, content=b"hello"), END],
    "1xx-without-end": [b"HTTP/1.1 100 Continue\r\n\r\n" * 1000, HELLO, END],
    "101-unasked": [headed(b"Upgrade: echo", b"Connection: Upgrade", status=b"101 Switching Protocols"), RETURN],
    "upgrade-missing": [headed(status=b"101 Switching Protocols"), RETURN],
    "more-than-length": [headed(b"Content-Length: 3", content=b"hello")],
    "two-responses": [HELLO + HELLO],
    "content-in-204": [headed(status=b"204 No Content", content=b"hello")],
}

RESPONSES = {f"/{name}".encode(): answer for name, answer in {**GOOD, **BAD}.items()}

CHALLENGE = b'WWW-Authenticate: Digest realm="r", nonce="abc", qop="auth", algorithm=SHA-256'
OTHERS = {
    b"/moved": [headed(b"Location: /echo", b"Content-Length: 3", content=b"see", status=b"301 Moved Permanently")],
    b"/found": [headed(b"Location: /echo?a=b", b"Content-Length: 0", status=b"302 Found")],
    b"/see-other": [headed(b"Location: /echo", b"Content-Length: 0", status=b"303 See Other")],
    b"/temporary": [headed(b"Location: /echo", b"Content-Length: 0", status=b"307 Temporary Redirect")],
    b"/permanent": [headed(b"Location: /echo", b"Content-Length: 0", status=b"308 Permanent Redirect")],
    b"/loop": [headed(b"Location: /loop", b"Content-Length: 0", status=b"302 Found")],
    b"/elsewhere": [headed(b"Location: ftp://127.0.0.1/", b"Content-Length: 0", status=b"302 Found")],
    b"/nowhere": [headed(b"Location: https://\xff:/", b"Content-Length: 0", status=b"302 Found")],
    b"/cookies": [with_length(b"", b"Set-Cookie: a=1; Path=/", b"Set-Cookie: b=2; Path=/echo")],
    b"/silence": [HOLD],
    b"/silence-in-head": [OK, HOLD],
    b"/silence-in-content": [headed(b"Content-Length: 10", content=b"hello"), HOLD],
    b"/stall": [EARLY, STALL],
    b"/begun-and-stalled": [EARLY, headed(FIVE, content=b"hel"), STALL],
    b"/refused-and-stalled": [
        EARLY,
        headed(FIVE, b"Connection: close", content=b"hello", status=b"413 Too Large"),
        STALL,
    ],
    b"/early": [EARLY, headed(FIVE, b"Connection: close", content=b"hello", status=b"413 Too Large"), HOLD],
    b"/upgrade": [
        headed(b"Upgrade: echo", b"Connection: Upgrade", status=b"101 Switching Protocols"),
        b"first",
        RETURN,
    ],
    b"tunnel.test:443": [headed(status=b"200 Connection established"), TLS],
    b"other.test:443": [headed(status=b"200 OK"), RELAY],
    b"refused.test:443": [headed(b"Content-Length: 2", content=b"no", status=b"403 Forbidden")],
    b"auth.test:443": [headed(b"Proxy-Authenticate: Basic", b"Content-Length: 0", status=b"407 Who are you")],
    b"broken.test:443": [b"hello\r\n\r\n", END],
    b"silent.test:443": [HOLD],
    b"ended.test:443": [END],
    b"echo.test:1234": [headed(status=b"200 OK"), RETURN],
}


def echo(seen):
    """What was asked, as JSON."""
    fields = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in seen.headers]
    asked = [seen.method.decode(), seen.target.decode("latin-1"), fields, len(seen.content)]
    return [with_length(json.dumps(asked).encode(), b"Content-Type: application/json")]


def digest(seen):
    """A challenge, until it is answered."""
    if any(name.lower() == b"authorization" and value.startswith(b"Digest ") for name, value in seen.headers):
        return [HELLO]
    return [headed(CHALLENGE, b"Content-Length: 0", status=b"401 Unauthorized")]


def head_only(seen):
    """The head that a GET would have."""
    return [headed(FIVE, content=b"")] if seen.method == b"HEAD" else [HELLO]


def answers(method, target):
    """What is done for a request: octets and what stands between them, or a function that gives these, in a list."""
    path = target.partition(b"?")[0]
    if path == b"/digest":
        return [digest]
    if path == b"/head":
        return [head_only]
    return RESPONSES.get(path) or OTHERS.get(path) or [echo]
