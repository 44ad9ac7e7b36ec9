"""The rules of WebSocket in plain words (RFC 6455, RFC 7692, RFC 8441).

What each has is told in ``explain_rules_http1.py``.
"""

from typing import Final

from interlock.cli.explain_rules_http1 import Given

__all__ = ["WEBSOCKET"]

WEBSOCKET: Final[tuple[Given, ...]] = (
    # -- frames
    (
        "^a (client|server)'s frame that is (not )?masked",
        ("RFC 6455 §5.1", "RFC 6455 §10.3"),
        "rule",
        (),
        """A client masks every frame, and a server none. Without masks a page could have its browser send octets that a proxy
        in between takes for a request of its own.""",
    ),
    (
        "^RSV2 or RSV3|^reserved opcode|^RSV1 without",
        ("RFC 6455 §5.2", "RFC 6455 §9.1"),
        "rule",
        (),
        """Reserved bits and opcodes mean what an extension says that was agreed on, and otherwise fail the connection. Often
        the capture begins in the midst of a frame, or lacks the handshake that agreed on compression.""",
    ),
    (
        "^RSV1 in a continuation frame",
        ("RFC 7692 §6.1",),
        "rule",
        (),
        """RSV1 says that a message is compressed, and stands in its first frame only.""",
    ),
    (
        "^a control frame (that is fragmented|of more than)",
        ("RFC 6455 §5.5",),
        "rule",
        (),
        """Close, ping and pong are one frame of at most 125 octets, and are not compressed: they have to be understood in
        the midst of a message.""",
    ),
    (
        "^a payload length",
        ("RFC 6455 §5.2",),
        "rule",
        (),
        """A length is written in as few octets as it needs, and has at most 63 bits.""",
    ),
    (
        "^a continuation frame where|^a message begins in the midst",
        ("RFC 6455 §5.4",),
        "rule",
        (),
        """The fragments of a message follow each other: the first one has an opcode, all others are continuations, the last
        one has FIN. Only control frames may stand between them.""",
    ),
    (
        "^a message of more than|^a message inflates to more",
        ("RFC 6455 §10.4", "RFC 7692 §8"),
        "limit",
        (),
        """A recipient decides how long a message may be, after inflation, and of how many frames: beyond that it closes with
        1009.""",
    ),
    (
        "^too many pings",
        ("RFC 6455 §5.5.2", "RFC 6455 §10.4"),
        "limit",
        (),
        """Each ping has to be answered. Who sends very many and nothing else is cut off with 1008; the number is ours.""",
    ),
    (
        "^text that is not UTF-8|^a Close with a reason that is not UTF-8",
        ("RFC 6455 §8.1", "RFC 6455 §5.6"),
        "rule",
        (),
        """Text is UTF-8, in every fragment as far as it goes: otherwise the connection is closed with 1007.""",
    ),
    (
        "^a Close with",
        ("RFC 6455 §5.5.1", "RFC 6455 §7.4"),
        "rule",
        (),
        """A Close is empty, or begins with a status code of two octets that may be sent: 1000 to 1003, 1007 to 1014, or 3000
        to 4999.""",
    ),
    (
        "^octets behind a Close",
        ("RFC 6455 §5.5.1", "RFC 6455 §1.4"),
        "rule",
        (),
        """A Close is the last frame of its sender: what follows is not read.""",
    ),
    (
        "^no deflate data|^deflate data that end",
        ("RFC 7692 §7.2.2", "RFC 7692 §7.2.1"),
        "rule",
        (),
        """With RSV1 a message is raw DEFLATE data that end at the end of a block, without the four octets 00 00 ff ff behind it.""",
    ),
    # -- the handshake
    (
        "Sec-WebSocket-Accept",
        ("RFC 6455 §4.1", "RFC 6455 §4.2.2"),
        "rule",
        (b"sec-websocket-accept", b"sec-websocket-key"),
        """Sec-WebSocket-Accept is made from the request's key: it shows that the server has understood this request, and
        that the answer does not come from a cache.""",
    ),
    (
        "Sec-WebSocket-Key|base64 of 16 octets",
        ("RFC 6455 §4.2.1", "RFC 6455 §4.1"),
        "rule",
        (b"sec-websocket-key",),
        """Sec-WebSocket-Key is the base64 of 16 octets, once.""",
    ),
    (
        "Sec-WebSocket-Version",
        ("RFC 6455 §4.2.1", "RFC 6455 §4.4"),
        "rule",
        (b"sec-websocket-version",),
        """The version is 13; any other is answered with 426 and the version that is spoken.""",
    ),
    (
        "subprotocol|Sec-WebSocket-Protocol",
        ("RFC 6455 §4.1", "RFC 6455 §4.2.2"),
        "rule",
        (b"sec-websocket-protocol",),
        """A client offers subprotocols, tokens without repetition; a server chooses one of them, or none.""",
    ),
    (
        "server_(no_context|max_window)|client_max_window|permessage-deflate|not a number from 8 to 15|is repeated",
        ("RFC 7692 §7.1", "RFC 7692 §5.1"),
        "rule",
        (b"sec-websocket-extensions",),
        """Compression has four parameters, each at most once, and a server's answer keeps to the client's offer.""",
    ),
    (
        "[Ee]xtension|is not a token",
        ("RFC 6455 §9.1",),
        "rule",
        (b"sec-websocket-extensions",),
        """A server accepts extensions that the client has offered, and both are written as lists of tokens.""",
    ),
    (
        "opens no WebSocket|Upgrade |WebSocket needs|^the method is|no extended CONNECT|^an opening handshake has|^a CONNECT has no content|Origin",
        ("RFC 6455 §4.2.1", "RFC 6455 §4.1", "RFC 8441 §5"),
        "rule",
        (b"upgrade", b"connection", b"origin"),
        """A WebSocket opens with GET in HTTP/1.1, without content, with Upgrade: websocket and Connection: Upgrade, and with
        101; in HTTP/2 with an extended CONNECT and 2xx.""",
    ),
    (
        "for ws in",
        ("RFC 6455 §5.4", "RFC 6455 §7.1"),
        "rule",
        (),
        """Frames follow each other as the machines of WebSocket have it: "interlock draw ws" draws them.""",
    ),
)
