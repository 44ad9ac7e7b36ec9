"""The rules of HTTP/1.1, and those of all versions, in plain words (RFC 9112, RFC 9110).

Each: a pattern for what the engine says; the sections; "rule", "limit" or "incomplete"; the fields that it is about; the
rule, and what its breach is good for.
"""

from typing import Final

__all__ = ["HTTP1", "Given"]

#: What :class:`interlock.cli.explain_rules.Rule` is made of, behind a pattern.
Given = tuple[str, tuple[str, ...], str, tuple[bytes, ...], str]

_LENGTH: Final = (b"content-length",)
_CODING: Final = (b"transfer-encoding",)
_BOTH: Final = (b"transfer-encoding", b"content-length")
_HOST: Final = (b"host",)

HTTP1: Final[tuple[Given, ...]] = (
    # -- lines
    (
        "^bare LF",
        ("RFC 9112 §2.2", "RFC 9112 §11.2"),
        "rule",
        (),
        """A line ends with CR LF. A recipient may take a lone LF for the end of a line, and this one does not: where one
        of two sees a line that the other does not see, a request can be hidden in it.""",
    ),
    (
        "^bare CR",
        ("RFC 9112 §2.2", "RFC 9110 §5.5"),
        "rule",
        (),
        """CR stands before LF, at the end of a line, and nowhere else: a lone CR has to be refused or replaced, since some
        recipients take it for the end of a line.""",
    ),
    (
        "^illegal octet 0x1[56]",
        ("RFC 9110 §5.5", "RFC 9112 §2.2", "RFC 8446 §5.1"),
        "rule",
        (),
        """No control character stands in a line, but a tab in a field's value. Where it is the first octet, this is TLS:
        0x16 begins a handshake, 0x15 an alert. So one end speaks TLS, and the other, or this port, is for cleartext.""",
    ),
    (
        "^illegal octet 0x",
        ("RFC 9110 §5.5", "RFC 9112 §2.2"),
        "rule",
        (),
        """No control character stands in a line, but a tab in a field's value. Recipients drop them, cut the line there,
        or take them for its end, each as it likes.""",
    ),
    (
        "^an empty line where a start line should be",
        ("RFC 9112 §2.2",),
        "rule",
        (),
        """A server skips an empty line before a request, or two; nobody skips more, and none stands before a response. Most
        often a body was longer than its Content-Length says.""",
    ),
    (
        "^a start line begins with white space",
        ("RFC 9112 §2.2", "RFC 9112 §3"),
        "rule",
        (),
        """Nothing stands before the method of a request, or the version of a response. Most often a body was longer than its
        Content-Length says.""",
    ),
    (
        "^a line starts with white space",
        ("RFC 9112 §5.2", "RFC 9112 §2.2", "RFC 9112 §11.2"),
        "rule",
        (),
        """No line of a field section begins with white space. Once it continued the line before (obs-fold); who still takes
        it so, and who takes it for a field of its own, see different messages.""",
    ),
    # -- the request line
    (
        "^a request line is",
        ("RFC 9112 §3", "RFC 9112 §3.2"),
        "rule",
        (),
        """A request line is method, one space, target, one space, version. Without a version it would be HTTP/0.9, which has
        no fields; with more spaces, two recipients read two targets.""",
    ),
    (
        "^illegal method",
        ("RFC 9110 §9.1", "RFC 9110 §5.6.2", "RFC 9112 §3.1"),
        "rule",
        (),
        """A method is a token: letters, digits and !#$%&'*+-.^_`|~. Most often what stands here is the rest of the body
        before, which was longer than its framing says.""",
    ),
    (
        "^HTTP version",
        ("RFC 9112 §2.3", "RFC 9110 §15.6.6"),
        "rule",
        (),
        """HTTP/1.1 and HTTP/1.0 are spoken here: a server answers another version with 505. (HTTP/2.0 in a request line is
        the preface of HTTP/2, for a server that does not expect it.)""",
    ),
    (
        "^bad HTTP version",
        ("RFC 9112 §2.3",),
        "rule",
        (),
        """The version is HTTP/, a digit, a dot, a digit, in capitals. Where a response should begin, this may be content
        that the one before cannot have, as those to HEAD and those with 204 or 304.""",
    ),
    (
        "^illegal octet in request target",
        ("RFC 9112 §3.2", "RFC 3986 §2"),
        "rule",
        (),
        """A target has the characters of a URI: no control characters, nothing beyond ASCII, none of space " < > \\ ^ ` { | },
        and no fragment (#), which is never sent. Who cleans it up, and who does not, find different resources.""",
    ),
    (
        "^CONNECT needs host:port",
        ("RFC 9112 §3.2.3", "RFC 9110 §9.3.6"),
        "rule",
        (),
        """The target of CONNECT is a host and a port, and nothing else.""",
    ),
    (
        r"^the target \* is",
        ("RFC 9112 §3.2.4",),
        "rule",
        (),
        """The target * means the server itself, and only OPTIONS may ask for that.""",
    ),
    (
        "^the target .* (has none of the four forms|is no path)",
        ("RFC 9112 §3.2",),
        "rule",
        (),
        """A target is a path that begins with a slash, an absolute URI, host:port with CONNECT, or * with OPTIONS. What is
        none of them is routed by guesses.""",
    ),
    (
        "^the target .* names no host|^bad (host|IP literal|port)",
        ("RFC 9112 §3.2", "RFC 9110 §7.2", "RFC 3986 §3.2.2"),
        "rule",
        _HOST,
        """An authority is a host and perhaps a port, without a user's name and without anything of a path. A proxy that
        cuts it otherwise than the server sends the request to another site.""",
    ),
    # -- the status line
    (
        "^bad status line|^status code",
        ("RFC 9112 §4", "RFC 9110 §15"),
        "rule",
        (),
        """A status line is version, one space, a status code of three digits from 100 on, one space, and perhaps a reason.
        Behind a response whose framing was read wrongly, there is something else here.""",
    ),
    ("^illegal reason", ("RFC 9112 §4",), "rule", (), "A reason phrase has no control characters."),
    # -- fields
    (
        "^white space before the colon",
        ("RFC 9112 §5.1", "RFC 9112 §11.2"),
        "rule",
        (),
        """No white space stands between a field's name and its colon: a server has to refuse it. Who drops such a field, and
        who takes it, disagree on the length of the message.""",
    ),
    (
        "^field line without a (colon|name)",
        ("RFC 9112 §5", "RFC 9110 §5.1"),
        "rule",
        (),
        """A field line is a name, a colon, a value.""",
    ),
    (
        "^illegal field name",
        ("RFC 9110 §5.1", "RFC 9110 §5.6.2", "RFC 9113 §8.2.1", "RFC 9113 §10.3"),
        "rule",
        (),
        """A field's name is a token: letters, digits and !#$%&'*+-.^_`|~, and at least one of them; in HTTP/2 no capitals.
        Who ignores the wrong ones sees a framing field where others see none.""",
    ),
    (
        "^(an )?illegal field value|^white space around field value",
        ("RFC 9110 §5.5", "RFC 9113 §8.2.1", "RFC 9113 §10.3"),
        "rule",
        (),
        """A field's value has no control characters but tabs, and in HTTP/2 no white space around it. CR or LF in it become
        fields and requests of their own where it is written as HTTP/1.1.""",
    ),
    (
        "^bad Connection option",
        ("RFC 9110 §7.6.1",),
        "rule",
        (b"connection",),
        """Connection is a list of tokens: close, keep-alive, and names of fields that are for the next hop only.""",
    ),
    (
        "^(no Host|more than one Host|Host is empty)|^neither :authority nor Host",
        ("RFC 9112 §3.2", "RFC 9110 §7.2", "RFC 9113 §8.3.1"),
        "rule",
        _HOST,
        """A request says once for which site it is, and a server answers 400 where it does not. Of two, a proxy may route
        by one and the server by the other.""",
    ),
    (
        "^Host .* is not (the target's|:authority)",
        ("RFC 9112 §3.2.2", "RFC 9110 §7.2", "RFC 9113 §8.3.1"),
        "rule",
        _HOST,
        """The site is named twice, and not the same. The RFC has a server go by the target; this one refuses, since whoever
        goes by Host serves another site.""",
    ),
    (
        "^only Expect",
        ("RFC 9110 §10.1.1",),
        "rule",
        (b"expect",),
        """100-continue is the only expectation there is: others are answered with 417.""",
    ),
    # -- framing
    (
        "^both Transfer-Encoding and Content-Length",
        ("RFC 9112 §6.3", "RFC 9112 §6.1", "RFC 9112 §11.2"),
        "rule",
        _BOTH,
        """A message has one of the two. Who goes by the length, and who goes by the chunks, see another end of it: what lies
        between is a smuggled request (CL.TE, TE.CL).""",
    ),
    (
        "^more than one Transfer-Encoding",
        ("RFC 9112 §6.1", "RFC 9112 §7", "RFC 9112 §11.2"),
        "rule",
        _CODING,
        """One field line says Transfer-Encoding: chunked. Of several, one recipient takes the first and another the last
        (TE.TE).""",
    ),
    (
        "^Transfer-Encoding in HTTP/1.0",
        ("RFC 9112 §6.1", "RFC 9112 §6.3"),
        "rule",
        _CODING,
        """HTTP/1.0 has no chunks: a message that has Transfer-Encoding nevertheless has faulty framing, and its connection has
        to be closed.""",
    ),
    (
        "^Transfer-Encoding in a response",
        ("RFC 9112 §6.1",),
        "rule",
        _CODING,
        """A response 1xx or 204, or of 2xx to CONNECT, has no body, and no Transfer-Encoding. Who believes that it has
        one takes what follows for its chunks.""",
    ),
    (
        "^Transfer-Encoding .*only chunked",
        ("RFC 9112 §6.1", "RFC 9112 §6.3", "RFC 9112 §7", "RFC 9112 §11.2"),
        "rule",
        _CODING,
        """The value has to be chunked, and nothing else: no list, no parameters, no other octets around it. What one
        recipient does not know and ignores, the other takes for chunked (TE.TE). An unknown coding is answered with 501.""",
    ),
    (
        "^more than one Content-Length",
        ("RFC 9112 §6.3", "RFC 9110 §8.6", "RFC 9112 §11.2"),
        "rule",
        _LENGTH,
        """There is one Content-Length, with one number. A recipient may take repetitions for one where all are the same; this
        one does not, as others go by the first or the last.""",
    ),
    (
        "^bad Content-Length",
        ("RFC 9110 §8.6", "RFC 9112 §6.3", "RFC 9112 §11.2"),
        "rule",
        _LENGTH,
        """Content-Length is digits: no sign, no list, no 0x, no underscore, and, here, neither leading zeros nor more than 18
        of them. Every octet beyond that is read as another number by somebody.""",
    ),
    (
        "^b['\"].* must not stand in a trailer section",
        ("RFC 9110 §6.5.1", "RFC 9112 §7.1.2"),
        "rule",
        (),
        """Fields that frame, route or authorize a message, or say what its content is, stand before it. Who merges trailers
        into the head is told something else behind the body than before it.""",
    ),
    # -- chunks
    (
        "^bad chunk size|^chunk size .* is beyond",
        ("RFC 9112 §7.1", "RFC 9112 §11.2"),
        "rule",
        (),
        """A chunk begins with its size in hexadecimal digits, and its data is as long as that, and ends with CR LF. No 0x, no
        sign, no space, nothing that overflows: who reads another number sees another end of the message.""",
    ),
    (
        "^bad chunk extension",
        ("RFC 9112 §7.1.1",),
        "rule",
        (),
        """Behind a chunk's size may stand ;name or ;name=value, where the value is a token or quoted. What is none of that
        was a smuggler's way to hide the end of a line.""",
    ),
    (
        "^chunk data that goes on",
        ("RFC 9112 §7.1", "RFC 9112 §11.2"),
        "rule",
        (),
        """A chunk's data is as long as its size says, and CR LF follows at once. Who only looks for the next line finds
        another chunk than who counts: what lies between is a smuggled request.""",
    ),
    (
        "^chunk line too long",
        ("RFC 9112 §7.1", "RFC 9112 §7.1.1"),
        "limit",
        (),
        """A chunk's size has at most 16 digits, and a recipient decides how many octets of extensions it reads behind it.""",
    ),
    (
        "^more framing than content",
        ("RFC 9112 §7.1.1",),
        "limit",
        (),
        """Recipients limit what they read of chunk extensions and of tiny chunks beyond the content itself.""",
    ),
    # -- limits
    (
        "^start line too long|^a request line of more than",
        ("RFC 9112 §3", "RFC 9110 §15.5.15"),
        "limit",
        (),
        """A recipient decides how long a start line may be: beyond that a server answers 414, or 400 where the method
        has no end.""",
    ),
    (
        "^field section too long|^more than .* fields",
        ("RFC 9110 §5.4", "RFC 6585 §5"),
        "limit",
        (),
        """A recipient decides how many fields it takes, and how many octets of them: beyond that a server answers 431.""",
    ),
    (
        "^content of more than",
        ("RFC 9110 §15.5.14",),
        "limit",
        (),
        """A recipient decides how much content it takes: beyond that a server answers 413.""",
    ),
    # -- the order of things, and the end
    (
        "^peer closed connection without sending complete message body",
        ("RFC 9112 §8", "RFC 9112 §6.3"),
        "incomplete",
        _BOTH,
        """The octets end before the body that the head announces. A recipient must not take such a message for complete; one
        that waits for the rest takes the next request for it.""",
    ),
    (
        "^peer unexpectedly closed connection",
        ("RFC 9112 §8",),
        "incomplete",
        (),
        """The octets end within a head: its empty line, CR LF CR LF, has not come.""",
    ),
    (
        "^peer closed connection without sending a response",
        ("RFC 9112 §9.5", "RFC 9110 §9.2.2"),
        "incomplete",
        (),
        """The octets end before any response has come. Whether the server has done what was asked nobody knows: only a
        request that may be made twice is made again.""",
    ),
    (
        "^nothing asked for a 101",
        ("RFC 9110 §7.8", "RFC 9110 §15.2.2"),
        "rule",
        (b"upgrade",),
        """101 accepts an Upgrade that the request has proposed: without a proposal, nothing can be accepted, and the
        client would still speak HTTP.""",
    ),
    (
        "^nothing asked for a 1",
        ("RFC 9110 §15.2", "RFC 9112 §9.2"),
        "rule",
        (),
        """An informational response comes between a request and its final response, and nowhere else.""",
    ),
    (
        "^101 without Upgrade",
        ("RFC 9110 §15.2.2", "RFC 9110 §7.8"),
        "rule",
        (b"upgrade",),
        """A 101 says in Upgrade which protocol follows: without it, nobody knows what the octets behind it are.""",
    ),
    (
        "octets of informational responses$",
        ("RFC 9110 §15.2",),
        "limit",
        (),
        """Any number of informational responses may come before the final one; how many a recipient reads is its own to say.""",
    ),
    (
        "^Got data when expecting EOF",
        ("RFC 9112 §9.6", "RFC 9112 §9.3"),
        "rule",
        (),
        """This message was said to be the last, by Connection: close, by HTTP/1.0, by a body that only the end of the stream
        ends, or by an error: nothing may follow on the connection. Most often what follows is a smuggled request.""",
    ),
    (
        "can't handle event [^:]*: machine upgrade is in state",
        ("RFC 9110 §7.8", "RFC 9110 §15.2.2"),
        "rule",
        (b"upgrade",),
        """101 accepts an Upgrade that the request has proposed: without a proposal, nothing can be accepted, and the
        client would still speak HTTP.""",
    ),
    (
        "can't handle event [^:]*: machine connect is in state [^:]*; legal there: .*for h1 in",
        ("RFC 9110 §9.3.6",),
        "rule",
        (),
        """Only CONNECT asks for a tunnel, and only 2xx gives one.""",
    ),
    (
        "can't handle event [^:]*: machine (server|client) is in state .*for h1 in",
        ("RFC 9110 §15.2", "RFC 9112 §9.3"),
        "rule",
        (),
        """An exchange is a request, any number of informational responses, one final response, in this order: informational
        responses answer a request, and stand before the final one.""",
    ),
)
