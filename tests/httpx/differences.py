"""Where our transports answer otherwise than httpx's own, and why: the table of docs/httpx.md, as cases.

What is expected is a result, or a function of what httpx's own transport gave.
"""

REFUSED = "raises RemoteProtocolError"
OURS = "raises LocalProtocolError"


def everything_but(*names):
    """A trace without these steps."""
    return lambda theirs: [name for name in theirs if not any(step in name for step in names)]


def responses(*names):
    return {f"response-{name}": REFUSED for name in names}


#: By what the documentation says of them.
DIFFERENCES = {
    "Lines end with CR LF, and are not folded": responses("bare-lf", "bare-lf-in-fields", "folded"),
    "Values have no control octets": responses("value-control", "value-del"),
    "Only HTTP/1.0 and HTTP/1.1 are read as such": responses("http-1.2", "http-2.0"),
    "`Content-Length` is there once, and canonical": responses("length-padded", "length-twice", "length-list"),
    "`Content-Length` and `Transfer-Encoding` exclude each other": {
        **responses("length-and-chunked", "to-post-length-and-chunked"),
        "header-length-and-chunked": OURS,
    },
    "`Transfer-Encoding` is not in HTTP/1.0, 1xx and 204": responses(
        "transfer-in-1.0", "transfer-in-204", "transfer-in-1xx"
    ),
    "Chunk sizes are digits, and chunk extensions are short and well formed": responses(
        "chunk-size-blank-behind", "chunk-extension-control", "chunk-extension-long"
    ),
    "Trailers do not say how a message is framed": responses("trailer-framing"),
    "What a server may make us hold is limited": responses("too-many-fields", "1xx-without-end"),
    "What we send is valid, too": {
        "header-host-bad": OURS,
        "method-unicode": OURS,
        "http2-header-line-end": OURS,
        "http2-header-name-bad": OURS,
    },
    "What a server did wrong is its error, not ours": {
        "http2-garbage": REFUSED,
        "http2-short": REFUSED,
        "http2-long": REFUSED,
    },
    "What comes behind a response ends its connection, and fails no other request": {
        "a_new_connection_behind_two_responses": "/echo",
        "a_new_connection_behind_too_much": "/echo",
    },
    "What a server has promised before it ends a connection is waited for": {
        "http2-last": ((200, b"HTTP/2", None, [], b"hello", 0), 1),
        "http2_after_the_last": ((200, b"HTTP/2", None, [(b"content-length", b"5")], b"hello", 0), [0, 1]),
    },
    "A server that refuses content, and stops reading it, is heard": {
        "timeout-write-refused": (
            413,
            b"HTTP/1.1",
            b"Too Large",
            [(b"Content-Length", b"5"), (b"Connection", b"close")],
            b"hello",
            0,
        ),
    },
    "All origins share the connections to a proxy that forwards": {"proxy_shared_by_origins": [0, 0]},
    "The settings of HTTP/2 are no step of a request": {
        "trace-http2": everything_but("receive_remote_settings"),
        "trace-http2-reset": everything_but("receive_remote_settings"),
    },
    "An address of IPv6 has brackets, in a request to a proxy, too": {
        "proxy_forwards_ipv6": [b"http://[::1]:8080/length"],
    },
    "Values are what was received": {
        "response-chunked-case": lambda theirs: (
            *theirs[:3],
            [(b"transfer-encoding", b"CHUNKED")],
            *theirs[4:],
        ),
    },
}
