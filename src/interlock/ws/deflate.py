"""The extension permessage-deflate (RFC 7692): how it is agreed on, and the compression of messages.

Which frames of a message carry RSV1 is the matter of who writes and reads frames (RFC 7692 §6).
"""

import zlib
from dataclasses import dataclass
from typing import Final, final

from interlock.http.errors import LocalProtocolError, excerpt
from interlock.ws.extensions import Extension, Parameters, format_extension

__all__ = [
    "NAME",
    "Agreed",
    "Compressor",
    "Decompressor",
    "PerMessageDeflate",
    "agree",
    "answer",
    "offer",
]

#: The extension's name (RFC 7692 §7).
NAME: Final = b"permessage-deflate"

#: What the end of a message is flushed to, which is not sent: an empty block (RFC 7692 §7.2.1).
_TAIL: Final = b"\x00\x00\xff\xff"
#: The window that we keep to, in bits, where nothing else is asked for.
WINDOW_BITS: Final = 12
#: RFC 7692 §7.1.2: what a window may be, in bits.
SMALLEST_WINDOW: Final = 8
LARGEST_WINDOW: Final = 15

#: Octets of compressed data that are given to zlib at once: it copies what it leaves, so that is never much ...
_SLICE: Final = 16384
#: ... and octets that it may make of them at once.
_STEP: Final = 262144

#: The close code for data that cannot be what it should be (RFC 6455 §7.4.1).
_INVALID_DATA: Final = 1007
#: The close code for a message that is too big (RFC 6455 §7.4.1).
_TOO_BIG: Final = 1009


@dataclass(frozen=True, slots=True, kw_only=True)
class PerMessageDeflate:
    """What an end asks for when permessage-deflate is agreed on, and how it compresses.  One object fits both roles.

    What it costs a connection, in octets, from its first compressed message on, with a window of w bits and memory
    level m: 2**(w+2) + 2**(m+9) to compress, 2**w to decompress, and some 15 000 for both.  The defaults make that
    50 000 on a server where the client lets its window be limited, as browsers do, and 80 000 elsewhere; 15 bits and
    level 8, zlib's own defaults, would make it 310 000.  Without context takeover nothing is kept between messages.

    Raises :class:`ValueError` for a number out of range.
    """

    #: The server forgets each message before it compresses the next.
    server_no_context_takeover: bool = False
    #: The client does.
    client_no_context_takeover: bool = False
    #: The server's window, in bits, 8 to 15.  A client that gives it asks for it, and a server that will not limit its
    #: window then declines.  None: a server limits its own to 12, a client asks for no limit.
    server_max_window_bits: int | None = None
    #: The client's window, in bits, 8 to 15.  A server asks for it of clients that say that they can be asked.  None: a
    #: server asks for 12, a client limits its own to 12, or to less where the server asks for it.
    client_max_window_bits: int | None = None
    #: How hard to compress: zlib's level, 0 to 9; -1 is its default.
    level: int = -1
    #: How much memory to compress with: zlib's level, 1 to 9.
    memory_level: int = 5
    #: A message of fewer octets is sent as it is.
    minimum: int = 64

    def __post_init__(self) -> None:
        for name, bits in (
            ("server_max_window_bits", self.server_max_window_bits),
            ("client_max_window_bits", self.client_max_window_bits),
        ):
            if bits is not None and not SMALLEST_WINDOW <= bits <= LARGEST_WINDOW:
                raise ValueError(f"{name} must be from 8 to 15: {bits}")
        if not -1 <= self.level <= 9:
            raise ValueError(f"level must be from -1 to 9: {self.level}")
        if not 1 <= self.memory_level <= 9:
            raise ValueError(f"memory_level must be from 1 to 9: {self.memory_level}")
        if self.minimum < 0:
            raise ValueError(f"minimum must not be negative: {self.minimum}")


@final
class Agreed:
    """What both ends have agreed on (RFC 7692 §7.1).  It must not be changed after it is made."""

    __slots__ = (
        "client_max_window_bits",
        "client_no_context_takeover",
        "server_max_window_bits",
        "server_no_context_takeover",
    )

    def __init__(
        self,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int = LARGEST_WINDOW,
        client_max_window_bits: int = LARGEST_WINDOW,
    ) -> None:
        #: Whether the server forgets each message before it compresses the next.
        self.server_no_context_takeover: Final = server_no_context_takeover
        #: Whether the client does.
        self.client_no_context_takeover: Final = client_no_context_takeover
        #: The most that the server's window may be, in bits, 8 to 15.
        self.server_max_window_bits: Final = server_max_window_bits
        #: The most that the client's may be.
        self.client_max_window_bits: Final = client_max_window_bits

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Agreed):
            return NotImplemented
        return (
            self.server_no_context_takeover == other.server_no_context_takeover
            and self.client_no_context_takeover == other.client_no_context_takeover
            and self.server_max_window_bits == other.server_max_window_bits
            and self.client_max_window_bits == other.client_max_window_bits
        )

    def __repr__(self) -> str:
        return (
            f"Agreed(server_no_context_takeover={self.server_no_context_takeover}, "
            f"client_no_context_takeover={self.client_no_context_takeover}, "
            f"server_max_window_bits={self.server_max_window_bits}, "
            f"client_max_window_bits={self.client_max_window_bits})"
        )


# -- negotiation


#: What the parameters say: the two flags, and the two windows in bits; 0 where one is not there, and _ANY for the
#: client_max_window_bits of an offer that has no value.
_Said = tuple[bool, bool, int, int]
_ANY: Final = -1


def offer(options: PerMessageDeflate) -> bytes:
    """What a client offers: an element of Sec-WebSocket-Extensions (RFC 7692 §7.1)."""
    parameters = _flags(options.server_no_context_takeover, options.client_no_context_takeover)
    if options.server_max_window_bits is not None:
        parameters.append((b"server_max_window_bits", b"%d" % options.server_max_window_bits))
    # Always there, so that a server may ask for less (RFC 7692 §7.1.2.2).
    bits = options.client_max_window_bits
    parameters.append((b"client_max_window_bits", None if bits is None else b"%d" % bits))
    return format_extension(NAME, parameters)


def answer(offers: list[Extension], options: PerMessageDeflate) -> tuple[bytes, Agreed] | None:
    """A server's answer to what a client offers: an element of Sec-WebSocket-Extensions, and what is agreed on with it.

    It is the first offer of permessage-deflate that holds; an unknown, repeated or invalid parameter declines an offer
    (RFC 7692 §7.1).  None if none of them does.
    """
    for extension in offers:
        if extension.name != NAME:
            continue
        try:
            said = _read_parameters(extension.parameters, offered=True)
        except LocalProtocolError:
            continue
        return _answer(said, options)
    return None


def _answer(said: _Said, options: PerMessageDeflate) -> tuple[bytes, Agreed]:
    """The answer to an offer that holds: a server has to do what it asks, and may ask for more (RFC 7692 §7.1)."""
    server_no_context_takeover, client_no_context_takeover, server_bits, client_bits = said
    limit = options.server_max_window_bits or WINDOW_BITS
    agreed_server_bits = min(server_bits, limit) if server_bits else limit
    agreed_client_bits = LARGEST_WINDOW
    if client_bits:  # only then may the answer have it (RFC 7692 §7.1.2.2)
        limit = options.client_max_window_bits or WINDOW_BITS
        agreed_client_bits = limit if client_bits == _ANY else min(client_bits, limit)
    agreed = Agreed(
        server_no_context_takeover or options.server_no_context_takeover,
        client_no_context_takeover or options.client_no_context_takeover,
        agreed_server_bits,
        agreed_client_bits,
    )
    parameters = _flags(agreed.server_no_context_takeover, agreed.client_no_context_takeover)
    if server_bits or agreed_server_bits < LARGEST_WINDOW:
        parameters.append((b"server_max_window_bits", b"%d" % agreed_server_bits))
    if agreed_client_bits < LARGEST_WINDOW:
        parameters.append((b"client_max_window_bits", b"%d" % agreed_client_bits))
    return format_extension(NAME, parameters), agreed


def agree(extensions: list[Extension], options: PerMessageDeflate | None) -> Agreed | None:
    """What a client finds agreed on in a server's answer; None if the server accepted no extension.

    ``options``: what the client has offered with :func:`offer`; None if nothing.  Raises :class:`LocalProtocolError`
    for an extension that was not offered (RFC 6455 §9.1), and for parameters that are no answer to the offer: these
    fail the connection (RFC 7692 §5.1, §7.1).
    """
    if not extensions:
        return None
    extension = extensions[0]
    if options is None or extension.name != NAME:
        raise LocalProtocolError(f"extension {excerpt(extension.name)} was not offered (RFC 6455 §9.1)")
    if len(extensions) > 1:
        name = extensions[1].name
        why = "accepted twice (RFC 7692 §5.1)" if name == NAME else "not offered (RFC 6455 §9.1)"
        raise LocalProtocolError(f"extension {excerpt(name)} was {why}")
    said = _read_parameters(extension.parameters, offered=False)
    server_no_context_takeover, client_no_context_takeover, server_bits, client_bits = said
    if options.server_no_context_takeover and not server_no_context_takeover:
        raise LocalProtocolError("no server_no_context_takeover, which was asked for (RFC 7692 §7.1.1.1)")
    if options.server_max_window_bits is not None and not 0 < server_bits <= options.server_max_window_bits:
        raise LocalProtocolError(
            f"server_max_window_bits is {server_bits or 'not there'}, not at most the "
            f"{options.server_max_window_bits} that were asked for (RFC 7692 §7.1.2.1)"
        )
    limit = options.client_max_window_bits or LARGEST_WINDOW
    if client_bits > limit:
        raise LocalProtocolError(
            f"client_max_window_bits is {client_bits}, more than the {limit} offered (RFC 7692 §7.1.2.2)"
        )
    return Agreed(
        server_no_context_takeover,
        client_no_context_takeover or options.client_no_context_takeover,
        server_bits or LARGEST_WINDOW,
        client_bits or limit,
    )


def _flags(server_no_context_takeover: bool, client_no_context_takeover: bool) -> Parameters:
    parameters: Parameters = []
    if server_no_context_takeover:
        parameters.append((b"server_no_context_takeover", None))
    if client_no_context_takeover:
        parameters.append((b"client_no_context_takeover", None))
    return parameters


def _read_parameters(parameters: Parameters, *, offered: bool) -> _Said:
    """What parameters say, ``offered`` by a client or else answered by a server.

    Raises :class:`LocalProtocolError` for one that is unknown, repeated, or has a value that it cannot have (RFC 7692
    §7.1).
    """
    server_no_context_takeover = client_no_context_takeover = False
    server_bits = client_bits = 0
    for name, value in parameters:
        repeated = False
        if name == b"server_no_context_takeover" and value is None:
            repeated = server_no_context_takeover
            server_no_context_takeover = True
        elif name == b"client_no_context_takeover" and value is None:
            repeated = client_no_context_takeover
            client_no_context_takeover = True
        elif name == b"server_max_window_bits":
            repeated = server_bits != 0
            server_bits = _window_bits(name, value)
        elif name == b"client_max_window_bits":
            repeated = client_bits != 0
            client_bits = _ANY if offered and value is None else _window_bits(name, value)
        else:
            what = excerpt(name) if value is None else f"{excerpt(name)} with the value {excerpt(value)}"
            raise LocalProtocolError(f"permessage-deflate has no parameter {what} (RFC 7692 §7.1)")
        if repeated:
            raise LocalProtocolError(f"{excerpt(name)} is repeated (RFC 7692 §7.1)")
    return server_no_context_takeover, client_no_context_takeover, server_bits, client_bits


#: RFC 7692 §7.1.2: decimal numbers from 8 to 15, without leading zeroes.
_WINDOWS: Final = {b"%d" % bits: bits for bits in range(SMALLEST_WINDOW, LARGEST_WINDOW + 1)}


def _window_bits(name: bytes, value: bytes | None) -> int:
    bits = 0 if value is None else _WINDOWS.get(value, 0)
    if not bits:
        shown = "nothing" if value is None else excerpt(value)
        raise LocalProtocolError(f"{excerpt(name)} is {shown}, not a number from 8 to 15 (RFC 7692 §7.1.2)")
    return bits


# -- compression


@final
class Compressor:
    """Compresses the messages that we send (RFC 7692 §7.2.1).

    ``client``: whether we are the client.
    """

    __slots__ = ("_bits", "_deflater", "_level", "_memory_level", "_takeover")

    def __init__(self, agreed: Agreed, client: bool, options: PerMessageDeflate) -> None:
        if client:
            self._takeover = not agreed.client_no_context_takeover
            self._bits = min(agreed.client_max_window_bits, options.client_max_window_bits or WINDOW_BITS)
        else:
            self._takeover = not agreed.server_no_context_takeover
            self._bits = min(agreed.server_max_window_bits, options.server_max_window_bits or WINDOW_BITS)
        self._level = options.level
        self._memory_level = options.memory_level
        #: None until there is something to compress.
        self._deflater: zlib._Compress | None = None

    def compress(self, data: bytes, final: bool) -> bytes:
        """The next octets of a message, compressed: all of ``data`` can be read from what is returned so far.

        ``final``: whether the message ends with them.  What is returned for one message is its payload, which may be
        cut into frames anywhere.
        """
        if not data:
            # Behind a block that was flushed, the header of an empty one (RFC 7692 §7.2.3.6); zlib would write none.
            compressed = b"\x00" if final else b""
        else:
            deflater = self._deflater
            if deflater is None:
                deflater = self._deflater = self._new_deflater()
            compressed = deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH)
            if final:
                compressed = compressed[: -len(_TAIL)]
        if final and not self._takeover:
            self._deflater = None
        return compressed

    def _new_deflater(self) -> "zlib._Compress":
        if self._bits == 8:
            # zlib has no such window for raw deflate.  Repetitions of the last octet are within any window.
            return zlib.compressobj(self._level, zlib.DEFLATED, -9, self._memory_level, zlib.Z_RLE)
        return zlib.compressobj(self._level, zlib.DEFLATED, -self._bits, self._memory_level)


@final
class Decompressor:
    """Decompresses the messages that we receive (RFC 7692 §7.2.2).

    ``client``: whether we are the client.  After an error it is not to be used.
    """

    __slots__ = ("_bits", "_inflater", "_something", "_takeover")

    def __init__(self, agreed: Agreed, client: bool) -> None:
        if client:
            self._takeover = not agreed.server_no_context_takeover
            self._bits = agreed.server_max_window_bits
        else:
            self._takeover = not agreed.client_no_context_takeover
            self._bits = agreed.client_max_window_bits
        #: None until there is something to decompress.
        self._inflater: zlib._Decompress | None = None
        #: Whether the message has had an octet.
        self._something = False

    def decompress(self, data: bytes, final: bool, max_length: int) -> bytes:
        """What the next octets of a message make.

        ``final``: whether the message's payload ends with them.  ``max_length``: octets that they may make, at most;
        never more than that are made.

        Raises :class:`LocalProtocolError` whose ``error_status_hint`` is a close code: 1009 if there is more, 1007 for
        what is no deflate data.  :class:`ValueError` if ``max_length`` is negative.

        A payload without an octet makes an empty message, though one octet should stand for it (RFC 7692 §7.2.3.6):
        what some compressors make of nothing is nothing.

        A block may say that it is the last, and be followed by others, from the next octet on (RFC 7692 §7.2.1,
        §7.2.3.4).  These can only refer back to where they begin: whoever ends a deflate stream starts a new one.

        Two things depend on how a payload is cut, though none on a good one: what was made right before an error is
        given or not, and a reference beyond the window that was agreed on is refused or read, since zlib looks beyond
        it into what the same octets made.
        """
        if max_length < 0:
            raise ValueError(f"max_length must not be negative: {max_length}")
        if data:
            self._something = True
        elif final and not self._something:
            return b""  # nothing was left off its end either
        pieces: list[bytes] = []
        length = len(data)
        room = max_length
        at = 0
        while length - at > _SLICE:
            room = self._inflate(data[at : at + _SLICE], room, pieces)
            at += _SLICE
        self._inflate(data[at:] if at else data, room, pieces)
        if final:
            self._end_message()
        return b"".join(pieces)

    def _inflate(self, octets: bytes, room: int, pieces: list[bytes]) -> int:
        """Append to ``pieces`` what ``octets`` make, which may be ``room`` octets, and return how many more it may be."""
        while octets:
            inflater = self._inflater
            if inflater is None or inflater.eof:
                inflater = self._inflater = zlib.decompressobj(-self._bits)
            while True:
                # One octet more than there may be shows that there is more; 0 would be no limit.
                ask = min(room + 1, _STEP)
                try:
                    piece = inflater.decompress(octets, ask)
                except zlib.error as error:
                    raise LocalProtocolError(f"no deflate data: {error} (RFC 7692 §7.2.2)", _INVALID_DATA) from None
                room -= len(piece)
                if room < 0:
                    raise LocalProtocolError("a message inflates to more than it may (RFC 7692 §8)", _TOO_BIG)
                pieces.append(piece)
                if len(piece) < ask or inflater.eof:
                    break
                octets = inflater.unconsumed_tail
            octets = inflater.unused_data  # what is behind a last block
        return room

    def _end_message(self) -> None:
        """Read what was left off behind the message, which makes nothing.

        Where it makes something, the message has ended within a block: that would be content that nobody has sent.
        """
        self._something = False
        inflater = self._inflater
        if inflater is not None and not inflater.eof:  # else it ended with its last block: nothing was left off
            try:
                broken = len(inflater.decompress(_TAIL, 1)) > 0
            except zlib.error:
                broken = True
            if broken:
                raise LocalProtocolError("deflate data that end within a block (RFC 7692 §7.2.1)", _INVALID_DATA)
        if not self._takeover:
            self._inflater = None
