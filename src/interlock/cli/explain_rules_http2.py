"""The rules of HTTP/2 and of HPACK in plain words (RFC 9113, RFC 7541, RFC 8441, RFC 9218).

What each has is told in ``explain_rules_http1.py``, where those that hold for all versions stand.
"""

from typing import Final

from interlock.cli.explain_rules_http1 import Given

__all__ = ["HTTP2"]

_FLOODS: Final = (
    "A frame may be legal and do nothing but make work. Who sends very many is cut off with ENHANCE_YOUR_CALM"
)

HTTP2: Final[tuple[Given, ...]] = (
    # -- frames
    (
        "^no HTTP/2( preface|, which)",
        ("RFC 9113 §3.4",),
        "rule",
        (),
        """A client begins with PRI * HTTP/2.0 CR LF CR LF SM CR LF CR LF and then SETTINGS, a server with SETTINGS.""",
    ),
    (
        "^a frame of .* octets",
        ("RFC 9113 §4.2",),
        "rule",
        (),
        """A frame has at most as many octets as the other end's SETTINGS_MAX_FRAME_SIZE says, 16384 if that says nothing.
        Where a length is absurd, these octets are no frame: TLS, HTTP/1.1, or a capture that begins in its midst.""",
    ),
    (
        (
            "^[A-Z_]+ has (4|5|8) octets|^SETTINGS whose length|^an acknowledgement with settings|^HEADERS without its priority"
            "|^PRIORITY_UPDATE without|^a padded frame without"
        ),
        ("RFC 9113 §4.2",),
        "rule",
        (),
        """Frames with a fixed form have exactly its length: whatever else they say, the two ends have lost each other.""",
    ),
    (
        "^padding as long as its frame",
        ("RFC 9113 §6.1", "RFC 9113 §6.2"),
        "rule",
        (),
        """Padding stands within its frame, behind the content: there is less of it than the frame has octets.""",
    ),
    (
        "^CONTINUATION of another stream|can't handle event [^:]*: machine (client|server)_block",
        ("RFC 9113 §6.10", "RFC 9113 §4.3"),
        "rule",
        (),
        """Between HEADERS and the frame with END_HEADERS come CONTINUATION frames of the same stream, and nothing else; and
        CONTINUATION comes nowhere else. The compression tables of both ends would part.""",
    ),
    (
        "^a field block without an end",
        ("RFC 9113 §10.5", "RFC 9113 §6.10"),
        "limit",
        (),
        """A field block may go on in CONTINUATION frames without end, and has to be kept all the while (CONTINUATION
        flood). Recipients limit how many they take; here it is 8, and one that is empty counts twice.""",
    ),
    (
        "can't handle event [^:]*: machine (client|server)_settings",
        ("RFC 9113 §6.5.3",),
        "rule",
        (),
        """SETTINGS are acknowledged once, and in their order.""",
    ),
    (
        "can't handle event [^:]*: machine (client|server) is in state .*for h2-connection",
        ("RFC 9113 §3.4", "RFC 9113 §6.8"),
        "rule",
        (),
        """Each end's first frame is SETTINGS, behind the preface of a client; and no end opens streams where the other one
        has said goodbye with GOAWAY.""",
    ),
    (
        "^the stream ends within a frame",
        (),
        "incomplete",
        (),
        """The octets end before the frame that they begin does.""",
    ),
    (
        "^a frame on a stream that was closed",
        ("RFC 9113 §5.1",),
        "rule",
        (),
        """Nothing follows on a stream behind END_STREAM or RST_STREAM of its sender but PRIORITY, and what crossed the other
        end's last frame on its way.""",
    ),
    # -- settings, windows
    (
        (
            "^SETTINGS_INITIAL_WINDOW_SIZE|^SETTINGS_MAX_FRAME_SIZE|^setting 0x|^a server that enables push|^extended CONNECT taken back"
            "|^SETTINGS_NO_RFC7540_PRIORITIES changed"
        ),
        ("RFC 9113 §6.5.2",),
        "rule",
        (),
        """A setting has a value that it may have, and some cannot be taken back.""",
    ),
    (
        (
            "^SETTINGS on a stream|^PING on a stream|^GOAWAY on a stream|^HEADERS on stream 0|^PRIORITY on stream 0|^stream 0"
            "|^PRIORITY_UPDATE (out of place|of stream)"
        ),
        ("RFC 9113 §5.1.1", "RFC 9113 §6"),
        "rule",
        (),
        """SETTINGS, PING and GOAWAY are the connection's, on stream 0; messages are on streams, which have other numbers.""",
    ),
    (
        "^too many settings in one frame",
        ("RFC 9113 §10.5",),
        "limit",
        (),
        """A recipient limits how many settings it works through; here it is 32 in a frame.""",
    ),
    (
        "^DATA beyond the",
        ("RFC 9113 §6.9.1", "RFC 9113 §5.2"),
        "rule",
        (),
        """DATA goes only as far as the other end's windows, of the stream and of the connection: those of its SETTINGS, and
        what its WINDOW_UPDATE frames have added.""",
    ),
    (
        "^a window (update of 0|beyond)",
        ("RFC 9113 §6.9", "RFC 9113 §6.9.1"),
        "rule",
        (),
        """A window grows by 1 octet at least, and never beyond 2^31-1. Such a frame makes a server reset its stream, which
        then no more counts, while its work goes on (MadeYouReset).""",
    ),
    (
        "^PUSH_PROMISE",
        ("RFC 9113 §8.4", "RFC 9113 §6.5.2"),
        "rule",
        (),
        """Only a server promises, and only to a client that has not set SETTINGS_ENABLE_PUSH to 0. It is refused here in
        any case.""",
    ),
    (
        "^GOAWAY that names more streams",
        ("RFC 9113 §6.8",),
        "rule",
        (),
        """A GOAWAY may take streams back, and may not take up again those that one before has given up: the client may have
        sent them elsewhere.""",
    ),
    # -- streams
    (
        "^HEADERS on stream .* cannot be opened",
        ("RFC 9113 §5.1.1", "RFC 9113 §5.1"),
        "rule",
        (),
        """A client opens streams with odd numbers, each higher than all before; a number is never used again.""",
    ),
    (
        "^too many streams",
        ("RFC 9113 §5.1.2",),
        "rule",
        (),
        """No more streams are open at a time than the other end's SETTINGS_MAX_CONCURRENT_STREAMS says.""",
    ),
    (
        "^a stream that depends on itself",
        ("RFC 7540 §5.3.1", "RFC 9113 §5.3.2"),
        "rule",
        (),
        """A stream cannot depend on itself. Such a frame makes a server reset its stream, which then no more counts, while its
        work goes on (MadeYouReset).""",
    ),
    (
        "^priorities of more streams",
        ("RFC 9218 §7.1",),
        "rule",
        (),
        """Priorities are kept for no more streams than may be open.""",
    ),
    (
        "can't handle event [^:]*: machine (stream|remote|local|connect) is in state .*for h2 in",
        ("RFC 9113 §5.1", "RFC 9113 §8.1"),
        "rule",
        (),
        """A stream carries one request and its response, each HEADERS, DATA, and perhaps trailers, and nothing once its
        sender has set END_STREAM or either end has sent RST_STREAM. DATA behind the end is content that belongs to nothing.""",
    ),
    (
        "^too many (?!pings)|^too much waits",
        ("RFC 9113 §10.5",),
        "limit",
        (),
        f"{_FLOODS}: resets of running requests (rapid reset), PING, SETTINGS, PRIORITY, window updates, empty DATA. The number is ours.",
    ),
    # -- messages
    (
        "^b['\"].* has no place in HTTP/2|^TE (is|may say)",
        ("RFC 9113 §8.2.2", "RFC 9113 §10.3"),
        "rule",
        (),
        """Connection, Transfer-Encoding, Upgrade and the like mean nothing in HTTP/2, and TE may only say trailers. Where the
        message is written as HTTP/1.1 they frame it anew: that is how requests are smuggled through a proxy (H2.TE).""",
    ),
    (
        "^content that its Content-Length belies|^.{1,20} octets (of content where|less content than) Content-Length",
        ("RFC 9113 §8.1.1", "RFC 9113 §10.3"),
        "rule",
        (b"content-length",),
        """Content-Length is the sum of the DATA frames, also where there are none. Where the message is written as HTTP/1.1
        it decides where the message ends: that is how requests are smuggled through a proxy (H2.CL).""",
    ),
    (
        "^b['\"].* behind other fields, or unknown|^unknown pseudo-header|^repeated :authority",
        ("RFC 9113 §8.3",),
        "rule",
        (),
        """Pseudo-headers stand before all other fields, each once, and there are no others than those that are defined.""",
    ),
    (
        "^extended CONNECT that was not offered",
        ("RFC 8441 §3",),
        "rule",
        (),
        """A client asks for another protocol with :protocol only once the server has set
        SETTINGS_ENABLE_CONNECT_PROTOCOL to 1.""",
    ),
    (
        "^(no|bad or repeated|empty or repeated) :(method|scheme|path|protocol)|^CONNECT has :authority|^:",
        ("RFC 9113 §8.3.1", "RFC 9113 §8.5", "RFC 8441 §4"),
        "rule",
        (),
        """A request has one :method, one :scheme, one :path that begins with a slash (or is *, with OPTIONS); CONNECT has
        :authority instead, unless it is an extended one with :protocol. What is no path becomes a request line with spaces.""",
    ),
    (
        "^no :status|^101 ",
        ("RFC 9113 §8.3.2", "RFC 9113 §8.6"),
        "rule",
        (),
        """A response begins with :status, of three digits, and it is never 101.""",
    ),
    (
        "^trailers that do not end|^an informational response that ends",
        ("RFC 9113 §8.1",),
        "rule",
        (),
        """A message is informational heads, which end nothing, one head, content, and perhaps trailers, which end it.""",
    ),
    (
        "^a head (and trailers )?beyond our limits",
        ("RFC 9113 §10.5.1", "RFC 7541 §7.3"),
        "limit",
        (),
        """A few octets can name large fields of the table again and again (HPACK bomb): recipients limit what a head comes to,
        and a server answers 431.""",
    ),
    # -- HPACK
    (
        "^(a|no|more than two) size update|^a table size of",
        ("RFC 7541 §4.2", "RFC 7541 §6.3"),
        "rule",
        (),
        """The table is at most as large as the other end's acknowledged SETTINGS_HEADER_TABLE_SIZE, and is resized at the
        beginning of a field block only, where it has become smaller.""",
    ),
    (
        "^index 0|^an index beyond the table",
        ("RFC 7541 §2.3.3", "RFC 7541 §6.1"),
        "rule",
        (),
        """An index names an entry of the table. If it does not, the tables of both ends have parted, or the capture lacks the
        beginning of the connection.""",
    ),
    (
        "^an integer that has no end|^a string|^the field block ends before",
        ("RFC 7541 §5.1", "RFC 7541 §5.2"),
        "rule",
        (),
        """Integers, strings and Huffman codes end within their field block; a code has less than 8 bits of padding, all ones.""",
    ),
)
