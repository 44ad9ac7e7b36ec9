"""permessage-deflate: RFC 7692's rules and examples, and the opinions of the libraries websockets and wsproto."""

import random
import tracemalloc
import zlib
from itertools import pairwise, product
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import NegotiationError, ProtocolError
from websockets.extensions import permessage_deflate as theirs
from websockets.frames import Frame, Opcode
from websockets.headers import build_extension, parse_extension
from wsproto.extensions import PerMessageDeflate as WsprotoDeflate
from wsproto.frame_protocol import Opcode as WsprotoOpcode
from wsproto.frame_protocol import RsvBits

from interlock.http.errors import LocalProtocolError
from interlock.ws.deflate import Agreed, Compressor, Decompressor, PerMessageDeflate, agree, answer, offer
from interlock.ws.extensions import parse_extensions

TAIL = b"\x00\x00\xff\xff"
HELLO = bytes.fromhex("f248cdc9c90700")
#: Ends with a block that says that it is the last (RFC 7692 §7.2.3.4).
LAST_HELLO = bytes.fromhex("f348cdc9c90700")
EMPTY_LAST = b"\x03\x00"
NO_TAKEOVER = Agreed(True, True)
ROOMY = 1 << 20

WINDOWS = st.none() | st.integers(8, 15)
OPTIONS = st.builds(
    PerMessageDeflate,
    server_no_context_takeover=st.booleans(),
    client_no_context_takeover=st.booleans(),
    server_max_window_bits=WINDOWS,
    client_max_window_bits=WINDOWS,
)
#: Text that compresses, with much that refers far back.
CONTENT = st.lists(st.sampled_from([b"", b"a", b"Hello", b"ab" * 300, bytes(range(256)), bytes(5000)]), max_size=6).map(
    b"".join
) | st.binary(max_size=600)


def is_refused(text: str, options: PerMessageDeflate | None, match: str) -> None:
    with pytest.raises(LocalProtocolError, match=match):
        agree(parse_extensions([text.encode()]), options)


def inflated(payload: bytes, *, most: int = ROOMY, decompressor: Decompressor | None = None) -> bytes:
    decompressor = decompressor or Decompressor(NO_TAKEOVER, client=False)
    return decompressor.decompress(payload, True, most)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


# -- options


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("server_max_window_bits", 7),
        ("server_max_window_bits", 16),
        ("client_max_window_bits", 7),
        ("client_max_window_bits", 16),
        ("client_max_window_bits", 0),
        ("level", -2),
        ("level", 10),
        ("memory_level", 0),
        ("memory_level", 10),
        ("minimum", -1),
    ],
)
def test_options_out_of_range(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=name):
        PerMessageDeflate(**{name: value})


# -- negotiation: what is offered


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (PerMessageDeflate(), b"permessage-deflate; client_max_window_bits"),
        (
            PerMessageDeflate(server_max_window_bits=10, client_max_window_bits=9),
            b"permessage-deflate; server_max_window_bits=10; client_max_window_bits=9",
        ),
        (
            PerMessageDeflate(server_no_context_takeover=True, client_no_context_takeover=True),
            b"permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
        ),
    ],
)
def test_what_is_offered(options: PerMessageDeflate, expected: bytes) -> None:
    assert offer(options) == expected


# -- negotiation: what a server answers


@pytest.mark.parametrize(
    ("offered", "options", "expected", "agreed"),
    [
        # nothing asked: the server limits itself alone, since the client cannot be asked (RFC 7692 §7.1.2.2)
        (b"", PerMessageDeflate(), b"; server_max_window_bits=12", Agreed(server_max_window_bits=12)),
        (b"", PerMessageDeflate(server_max_window_bits=15), b"", Agreed()),
        (b"", PerMessageDeflate(client_max_window_bits=8, server_max_window_bits=15), b"", Agreed()),
        (
            b"; client_max_window_bits",
            PerMessageDeflate(),
            b"; server_max_window_bits=12; client_max_window_bits=12",
            Agreed(server_max_window_bits=12, client_max_window_bits=12),
        ),
        # the smaller of both
        (
            b"; client_max_window_bits=10; server_max_window_bits=9",
            PerMessageDeflate(),
            b"; server_max_window_bits=9; client_max_window_bits=10",
            Agreed(server_max_window_bits=9, client_max_window_bits=10),
        ),
        (
            b"; client_max_window_bits=15; server_max_window_bits=15",
            PerMessageDeflate(server_max_window_bits=11, client_max_window_bits=8),
            b"; server_max_window_bits=11; client_max_window_bits=8",
            Agreed(server_max_window_bits=11, client_max_window_bits=8),
        ),
        # what is asked for has to be in the answer, even where it says nothing new (RFC 7692 §7.1.2.1)
        (
            b"; server_max_window_bits=15",
            PerMessageDeflate(server_max_window_bits=15),
            b"; server_max_window_bits=15",
            Agreed(),
        ),
        (
            b"; client_max_window_bits=15",
            PerMessageDeflate(server_max_window_bits=15, client_max_window_bits=15),
            b"",
            Agreed(),
        ),
        # RFC 7692 §7.1.1: asked for by the client, or by the server
        (
            b"; server_no_context_takeover",
            PerMessageDeflate(server_max_window_bits=15),
            b"; server_no_context_takeover",
            Agreed(server_no_context_takeover=True),
        ),
        (
            b"; client_no_context_takeover",
            PerMessageDeflate(server_max_window_bits=15),
            b"; client_no_context_takeover",
            Agreed(client_no_context_takeover=True),
        ),
        (
            b"",
            PerMessageDeflate(
                server_no_context_takeover=True, client_no_context_takeover=True, server_max_window_bits=15
            ),
            b"; server_no_context_takeover; client_no_context_takeover",
            Agreed(True, True),
        ),
        (
            b'; server_max_window_bits="10"',
            PerMessageDeflate(),
            b"; server_max_window_bits=10",
            Agreed(False, False, 10),
        ),
    ],
)
def test_what_is_answered(offered: bytes, options: PerMessageDeflate, expected: bytes, agreed: Agreed) -> None:
    offers = parse_extensions([b"permessage-deflate" + offered])
    assert answer(offers, options) == (b"permessage-deflate" + expected, agreed)


INVALID = [
    # RFC 7692 §7.1: unknown, or repeated
    "unknown",
    "unknown=1",
    "Server_No_Context_Takeover",
    "server_no_context_takeover; server_no_context_takeover",
    "client_no_context_takeover; client_no_context_takeover",
    "server_max_window_bits=10; server_max_window_bits=10",
    "client_max_window_bits=10; client_max_window_bits=10",
    # RFC 7692 §7.1.1: they have no value
    "server_no_context_takeover=1",
    "client_no_context_takeover=true",
    # RFC 7692 §7.1.2: a decimal number from 8 to 15
    "server_max_window_bits",
    *[
        f"{end}_max_window_bits={bits}"
        for end in ("client", "server")
        for bits in "7 16 08 010 +9 -9 9.0 1 0xA x".split()
    ],
]


@pytest.mark.parametrize("parameters", [*INVALID, "client_max_window_bits; client_max_window_bits"])
def test_an_invalid_offer_is_declined_and_the_next_one_taken(parameters: str) -> None:
    bad = b"permessage-deflate; " + parameters.encode()
    assert answer(parse_extensions([bad]), PerMessageDeflate()) is None
    offers = parse_extensions(
        [b"unknown, " + bad + b", permessage-deflate; server_max_window_bits=9, permessage-deflate"]
    )
    chosen = answer(offers, PerMessageDeflate())
    assert chosen is not None
    assert chosen[1] == Agreed(server_max_window_bits=9)


def test_only_permessage_deflate_is_taken() -> None:
    offers = parse_extensions([b"x-webkit-deflate-frame, Permessage-Deflate, permessage-bzip2"])
    assert answer(offers, PerMessageDeflate()) is None
    assert answer([], PerMessageDeflate()) is None


# -- negotiation: what a client agrees to


@pytest.mark.parametrize(
    ("options", "answered", "agreed"),
    [
        (PerMessageDeflate(), "", Agreed()),
        # RFC 7692 §7.1.1.1, §7.1.2.1: a server may limit itself unasked
        (PerMessageDeflate(), "; server_no_context_takeover", Agreed(server_no_context_takeover=True)),
        (PerMessageDeflate(), "; server_max_window_bits=8", Agreed(server_max_window_bits=8)),
        # RFC 7692 §7.1.1.2, §7.1.2.2: and the client
        (PerMessageDeflate(), "; client_no_context_takeover", Agreed(client_no_context_takeover=True)),
        (PerMessageDeflate(), "; client_max_window_bits=8", Agreed(client_max_window_bits=8)),
        (PerMessageDeflate(), "; client_max_window_bits=15", Agreed()),
        (PerMessageDeflate(client_max_window_bits=10), "; client_max_window_bits=9", Agreed(client_max_window_bits=9)),
        # what the client says of itself holds in any case
        (PerMessageDeflate(client_max_window_bits=10), "", Agreed(client_max_window_bits=10)),
        (PerMessageDeflate(client_no_context_takeover=True), "", Agreed(client_no_context_takeover=True)),
        (PerMessageDeflate(server_max_window_bits=10), "; server_max_window_bits=10", Agreed(False, False, 10)),
        (PerMessageDeflate(server_max_window_bits=10), "; server_max_window_bits=9", Agreed(False, False, 9)),
        (
            PerMessageDeflate(server_no_context_takeover=True),
            "; server_no_context_takeover",
            Agreed(server_no_context_takeover=True),
        ),
    ],
)
def test_what_is_agreed_on(options: PerMessageDeflate, answered: str, agreed: Agreed) -> None:
    assert agree(parse_extensions([b"permessage-deflate" + answered.encode()]), options) == agreed


def test_no_extension_is_agreed_on() -> None:
    assert agree([], PerMessageDeflate()) is None
    assert agree([], None) is None


@pytest.mark.parametrize(
    ("options", "text", "match"),
    [
        (None, "permessage-deflate", r"not offered \(RFC 6455 §9\.1"),
        (PerMessageDeflate(), "unknown", r"not offered \(RFC 6455 §9\.1"),
        (PerMessageDeflate(), "permessage-deflate, unknown", r"unknown.*not offered \(RFC 6455 §9\.1"),
        (PerMessageDeflate(), "permessage-deflate, permessage-deflate", r"twice \(RFC 7692 §5\.1"),
        (PerMessageDeflate(), "permessage-deflate; client_max_window_bits", r"RFC 7692 §7\.1\.2\)"),
        (PerMessageDeflate(server_no_context_takeover=True), "permessage-deflate", r"RFC 7692 §7\.1\.1\.1"),
        (PerMessageDeflate(server_max_window_bits=10), "permessage-deflate", r"not there.*RFC 7692 §7\.1\.2\.1"),
        (
            PerMessageDeflate(server_max_window_bits=10),
            "permessage-deflate; server_max_window_bits=11",
            r"is 11.*RFC 7692 §7\.1\.2\.1",
        ),
        (
            PerMessageDeflate(client_max_window_bits=10),
            "permessage-deflate; client_max_window_bits=11",
            r"is 11.*RFC 7692 §7\.1\.2\.2",
        ),
        *[(PerMessageDeflate(), f"permessage-deflate; {parameters}", r"RFC 7692 §7\.1") for parameters in INVALID],
    ],
)
def test_what_is_no_answer_fails_the_handshake(options: PerMessageDeflate | None, text: str, match: str) -> None:
    is_refused(text, options, match)


@given(OPTIONS, OPTIONS)
def test_both_ends_agree_on_the_same(client: PerMessageDeflate, server: PerMessageDeflate) -> None:
    chosen = answer(parse_extensions([offer(client)]), server)
    assert chosen is not None
    text, agreed = chosen
    assert agree(parse_extensions([text]), client) == agreed


# -- negotiation: second opinions


def of_theirs(extension: theirs.PerMessageDeflate, *, client: bool) -> Agreed:
    local = extension.local_no_context_takeover, extension.local_max_window_bits
    remote = extension.remote_no_context_takeover, extension.remote_max_window_bits
    of_client, of_server = (local, remote) if client else (remote, local)
    return Agreed(of_server[0], of_client[0], of_server[1], of_client[1])


@given(OPTIONS, st.booleans(), st.booleans(), st.none() | st.integers(9, 15), st.none() | st.integers(8, 15))
def test_a_server_of_websockets_agrees(
    options: PerMessageDeflate, server_alone: bool, client_alone: bool, server_bits: int | None, client_bits: int | None
) -> None:
    server = theirs.ServerPerMessageDeflateFactory(server_alone, client_alone, server_bits, client_bits)
    ((_, offered),) = parse_extension(offer(options).decode())
    try:
        parameters, extension = server.process_request_params(offered, [])
    except NegotiationError:
        assert options.server_max_window_bits == 8  # which it cannot compress with
        return
    text = build_extension([("permessage-deflate", list(parameters))])
    assert agree(parse_extensions([text.encode()]), options) == of_theirs(extension, client=False)


@given(
    OPTIONS, st.booleans(), st.booleans(), st.none() | st.integers(8, 15), st.sampled_from([None, True, *range(9, 16)])
)
def test_a_client_of_websockets_agrees(
    options: PerMessageDeflate,
    server_alone: bool,
    client_alone: bool,
    server_bits: int | None,
    client_bits: int | bool | None,
) -> None:
    client = theirs.ClientPerMessageDeflateFactory(server_alone, client_alone, server_bits, client_bits)
    offered = build_extension([("permessage-deflate", list(client.get_request_params()))])
    chosen = answer(parse_extensions([offered.encode()]), options)
    assert chosen is not None
    ((_, parameters),) = parse_extension(chosen[0].decode())
    try:
        extension = client.process_response_params(parameters, [])
    except NegotiationError:
        assert chosen[1].client_max_window_bits == 8  # which it cannot compress with
        return
    assert of_theirs(extension, client=True) == chosen[1]


PARAMETER_NAMES = st.sampled_from(
    [f"{end}_{what}" for end in ("server", "client") for what in ("no_context_takeover", "max_window_bits")] + ["x"]
)
VALUES = st.none() | st.sampled_from(["8", "9", "10", "15", "16", "07", "x"])


@given(st.lists(st.tuples(PARAMETER_NAMES, VALUES), max_size=4), st.booleans(), st.none() | st.integers(9, 15))
def test_websockets_takes_and_fails_the_same_answers(
    parameters: list[tuple[str, str | None]], alone: bool, bits: int | None
) -> None:
    client = theirs.ClientPerMessageDeflateFactory(alone, alone, bits, bits or True)
    options = PerMessageDeflate(
        server_no_context_takeover=alone,
        client_no_context_takeover=alone,
        server_max_window_bits=bits,
        client_max_window_bits=bits,
    )
    text = build_extension([("permessage-deflate", parameters)])
    extensions = parse_extensions([text.encode()])
    try:
        extension = client.process_response_params(parameters, [])
    except NegotiationError as error:
        if "client_max_window_bits = 8" not in str(error):  # which it cannot compress with
            with pytest.raises(LocalProtocolError):
                agree(extensions, options)
    else:
        assert agree(extensions, options) == of_theirs(extension, client=True)


@given(st.lists(st.tuples(PARAMETER_NAMES, VALUES), max_size=4))
def test_websockets_takes_and_declines_the_same_offers(parameters: list[tuple[str, str | None]]) -> None:
    server = theirs.ServerPerMessageDeflateFactory(False, False, 12, 12)
    text = build_extension([("permessage-deflate", parameters)])
    ours = answer(parse_extensions([text.encode()]), PerMessageDeflate())
    if ours is not None and ours[1].server_max_window_bits == 8:
        return  # which it cannot compress with
    try:
        _, extension = server.process_request_params(parameters, [])
    except NegotiationError:
        assert ours is None
    else:
        assert ours is not None
        assert ours[1] == of_theirs(extension, client=False)


@pytest.mark.parametrize("bits", [9, 12, 15])
@pytest.mark.parametrize("alone", [False, True])
def test_wsproto_agrees(bits: int, alone: bool) -> None:
    """In what it does: it asks for 15 bits where it could ask for nothing, and its options change as it negotiates."""
    client = WsprotoDeflate(alone, bits, alone, bits)
    chosen = answer(parse_extensions([f"permessage-deflate; {client.offer()}".encode()]), PerMessageDeflate())
    assert chosen is not None
    client.finalize(chosen[0].decode())
    assert client.enabled()
    assert of_wsproto(client) == chosen[1] == Agreed(alone, alone, min(bits, 12), min(bits, 12))

    options = PerMessageDeflate(server_max_window_bits=bits, client_no_context_takeover=alone)
    server = WsprotoDeflate()
    accepted = server.accept(offer(options).decode())
    assert isinstance(accepted, str)
    assert agree(parse_extensions([f"permessage-deflate; {accepted}".encode()]), options) == of_wsproto(server)


def of_wsproto(extension: WsprotoDeflate) -> Agreed:
    return Agreed(
        extension.server_no_context_takeover,
        extension.client_no_context_takeover,
        extension.server_max_window_bits,
        extension.client_max_window_bits,
    )


def test_agreements_compare_by_value() -> None:
    agreed = Agreed(True, False, 9, 10)
    assert agreed == Agreed(True, False, 9, 10)
    for other in (Agreed(False, False, 9, 10), Agreed(True, True, 9, 10), Agreed(True, False, 8, 10), Agreed(True), 1):
        assert agreed != other
    assert repr(agreed) == (
        "Agreed(server_no_context_takeover=True, client_no_context_takeover=False, "
        "server_max_window_bits=9, client_max_window_bits=10)"
    )


# -- compression


def test_the_rfcs_examples_are_what_is_sent() -> None:
    compressor = Compressor(Agreed(), True, PerMessageDeflate())
    assert compressor.compress(b"Hello", True) == HELLO  # RFC 7692 §7.2.3.1
    assert compressor.compress(b"Hello", True) == bytes.fromhex("f200110000")  # §7.2.3.2
    assert compressor.compress(b"", True) == b"\x00"  # §7.2.3.6
    alone = Compressor(NO_TAKEOVER, True, PerMessageDeflate())
    assert [alone.compress(b"Hello", True) for _ in range(2)] == [HELLO, HELLO]
    stored = Compressor(Agreed(), True, PerMessageDeflate(level=0))
    assert inflated(stored.compress(b"Hello", True)) == b"Hello"


@pytest.mark.parametrize("agreed", [Agreed(), NO_TAKEOVER])
def test_the_rfcs_examples_are_read(agreed: Agreed) -> None:
    decompressor = Decompressor(agreed, client=True)
    for payload in (
        "f248cdc9c90700",  # RFC 7692 §7.2.3.1
        "000500faff48656c6c6f00",  # §7.2.3.3
        "f348cdc9c9070000",  # §7.2.3.4
        "f2480500" + "0000ffff" + "cac9c90700",  # §7.2.3.5
    ):
        assert inflated(bytes.fromhex(payload), decompressor=decompressor) == b"Hello"
    assert inflated(b"\x00", decompressor=decompressor) == b""  # §7.2.3.6


def test_the_rfcs_example_of_context_takeover_is_read() -> None:
    decompressor = Decompressor(Agreed(), client=True)
    assert inflated(HELLO, decompressor=decompressor) == b"Hello"
    assert inflated(bytes.fromhex("f200110000"), decompressor=decompressor) == b"Hello"  # RFC 7692 §7.2.3.2


def test_a_context_that_is_not_taken_over_is_not_there() -> None:
    decompressor = Decompressor(NO_TAKEOVER, client=True)
    assert inflated(HELLO, decompressor=decompressor) == b"Hello"
    with pytest.raises(LocalProtocolError) as caught:
        inflated(bytes.fromhex("f200110000"), decompressor=decompressor)
    assert caught.value.error_status_hint == 1007


@pytest.mark.parametrize("client", [False, True])
def test_each_flag_is_for_one_direction(client: bool) -> None:
    """server_no_context_takeover binds the server's compressor and the client's decompressor (RFC 7692 §7.1.1)."""
    agreed = Agreed(server_no_context_takeover=not client, client_no_context_takeover=client)
    options = PerMessageDeflate()
    own = Compressor(agreed, client, options)
    assert own.compress(b"Hello", True) == own.compress(b"Hello", True)
    other = Compressor(agreed, not client, options)
    assert other.compress(b"Hello", True) != other.compress(b"Hello", True)
    inflated(HELLO, decompressor=(received := Decompressor(agreed, client)))
    assert inflated(bytes.fromhex("f200110000"), decompressor=received) == b"Hello"
    inflated(HELLO, decompressor=(received := Decompressor(agreed, not client)))
    with pytest.raises(LocalProtocolError):
        inflated(bytes.fromhex("f200110000"), decompressor=received)


@given(
    st.lists(st.tuples(CONTENT, st.lists(st.integers(0, 2000), max_size=3), st.lists(st.integers(0, 400), max_size=3))),
    st.booleans(),
    st.booleans(),
    st.integers(8, 15),
    st.integers(0, 9),
)
def test_what_is_compressed_is_read_back(
    messages: list[tuple[bytes, list[int], list[int]]], client: bool, takeover: bool, bits: int, level: int
) -> None:
    """However the content is cut into fragments, and the payload into frames."""
    agreed = Agreed(not takeover, not takeover, bits, bits)
    options = PerMessageDeflate(server_max_window_bits=bits, client_max_window_bits=bits, level=level)
    compressor = Compressor(agreed, client, options)
    decompressor = Decompressor(agreed, not client)
    for content, fragments, frames in messages:
        pieces = cut(content, fragments)
        payload = b"".join([compressor.compress(piece, False) for piece in pieces[:-1]])
        payload += compressor.compress(pieces[-1], True)
        assert payload
        assert payload[-4:] != TAIL
        frames_of_it = cut(payload, frames)
        last = len(frames_of_it) - 1
        left = len(content)
        made = b""
        for number, frame in enumerate(frames_of_it):
            piece = decompressor.decompress(frame, number == last, left)
            left -= len(piece)
            made += piece
        assert made == content


@given(st.lists(CONTENT, max_size=4))
def test_a_fragment_can_be_read_before_the_next_is_sent(fragments: list[bytes]) -> None:
    compressor = Compressor(Agreed(), True, PerMessageDeflate())
    decompressor = Decompressor(Agreed(), client=False)
    for fragment in fragments:
        assert decompressor.decompress(compressor.compress(fragment, False), False, ROOMY) == fragment
    assert decompressor.decompress(compressor.compress(b"", True), True, 0) == b""
    assert inflated(compressor.compress(b"Hello", True), decompressor=decompressor) == b"Hello"


def reads_with_window(bits: int, payload: bytes) -> bool:
    """Whether ``payload`` refers back no further than 2**bits octets: all that zlib has when it makes one at a time."""
    inflater = zlib.decompressobj(-bits)
    octets = payload + TAIL
    try:
        while inflater.decompress(octets, 1):
            octets = inflater.unconsumed_tail
    except zlib.error:
        return False
    return True


@pytest.mark.parametrize("client", [False, True])
@pytest.mark.parametrize("bits", range(8, 16))
def test_the_window_is_what_was_agreed_on(bits: int, client: bool) -> None:
    """Also one of 8 bits, which zlib does not have (RFC 7692 §7.1.2)."""
    noise = bytes(random.Random(bits).choices(range(64), k=(1 << bits) + 300))
    content = noise[:64] + noise + noise[:64] + noise[-200:] + bytes(600) + noise[-230:]
    ours = PerMessageDeflate(server_max_window_bits=15, client_max_window_bits=15)
    agreed = Agreed(False, False, *((15, bits) if client else (bits, 15)))
    payload = Compressor(agreed, client, ours).compress(content, True)
    assert reads_with_window(bits, payload)
    assert inflated(payload, decompressor=Decompressor(agreed, not client)) == content
    larger = Compressor(agreed, not client, ours).compress(content, True)
    assert bits == 15 or not reads_with_window(bits, larger)


@pytest.mark.parametrize("client", [False, True])
def test_our_own_window_is_12_bits_unless_told(client: bool) -> None:
    noise = random.Random(0).randbytes(5000)
    payload = Compressor(Agreed(), client, PerMessageDeflate()).compress(noise + noise, True)
    assert reads_with_window(12, payload)
    far = PerMessageDeflate(server_max_window_bits=15, client_max_window_bits=15)
    assert len(Compressor(Agreed(), client, far).compress(noise + noise, True)) < 6000 < len(payload)


@pytest.mark.parametrize("client", [False, True])
@pytest.mark.parametrize("bits", [8, 9, 12, 14])
def test_a_peer_looks_back_no_further_than_was_agreed_on(bits: int, client: bool) -> None:
    noise = random.Random(0).randbytes((1 << bits) + 300)
    deflater = zlib.compressobj(wbits=-15)
    payloads = [(deflater.compress(noise[:end]) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4] for end in (None, 64)]
    agreed = Agreed(False, False, *((bits, 15) if client else (15, bits)))
    decompressor = Decompressor(agreed, client)
    assert inflated(payloads[0], decompressor=decompressor) == noise
    with pytest.raises(LocalProtocolError) as caught:
        inflated(payloads[1], decompressor=decompressor)
    assert caught.value.error_status_hint == 1007
    decompressor = Decompressor(agreed, not client)
    assert [inflated(payload, decompressor=decompressor) for payload in payloads] == [noise, noise[:64]]


# -- decompression: its limits


def test_exactly_as_much_as_there_may_be() -> None:
    payload = Compressor(NO_TAKEOVER, True, PerMessageDeflate()).compress(bytes(1000), True)
    assert inflated(payload, most=1000) == bytes(1000)
    for most in (999, 1, 0):
        with pytest.raises(LocalProtocolError) as caught:
            inflated(payload, most=most)
        assert caught.value.error_status_hint == 1009
    assert inflated(b"\x00", most=0) == b""


@pytest.mark.parametrize("length", [262143, 262144, 262145, 524288, 1000000])
def test_what_is_made_in_several_steps(length: int) -> None:
    content = random.Random(1).randbytes(1000) * (length // 1000) + bytes(length % 1000)
    payload = Compressor(NO_TAKEOVER, True, PerMessageDeflate()).compress(content, True)
    assert inflated(payload, most=length) == content
    with pytest.raises(LocalProtocolError):
        inflated(payload, most=length - 1)


@pytest.mark.parametrize("length", [16383, 16384, 16385, 40000])
def test_what_is_taken_in_several_slices(length: int) -> None:
    noise = random.Random(2).randbytes(length - 6)
    payload = (
        b"\x00" + (length - 6).to_bytes(2, "little") + (0xFFFF - length + 6).to_bytes(2, "little") + noise + b"\x00"
    )
    assert len(payload) == length
    assert inflated(payload, most=length - 6) == noise
    with pytest.raises(LocalProtocolError):
        inflated(payload, most=length - 7)


def bomb(length: int) -> bytes:
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    pieces = [deflater.compress(bytes(1 << 20)) for _ in range(length >> 20)]
    return b"".join([*pieces, deflater.flush(zlib.Z_SYNC_FLUSH)])[:-4]


@pytest.mark.parametrize("most", [1 << 20, 1 << 16, 0])
def test_a_bomb_is_refused_before_it_goes_off(most: int) -> None:
    """200 MB in 194 KB (RFC 7692 §8): no more is held than what there may be, and what one step makes."""
    payload = bomb(200 << 20)
    assert len(payload) < 210000
    tracemalloc.start()
    try:
        with pytest.raises(LocalProtocolError) as caught:
            inflated(payload, most=most)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert caught.value.error_status_hint == 1009
    assert peak < most + 1000000


def test_a_negative_limit_is_none_of_zlibs() -> None:
    with pytest.raises(ValueError, match="max_length"):
        inflated(HELLO, most=-1)


# -- decompression: what is no message


@pytest.mark.parametrize("payload", ["07", "ff", "0500faff48", "f348cdc9c9070007", "ed" * 20])
def test_what_is_no_deflate_data(payload: str) -> None:
    with pytest.raises(LocalProtocolError, match="no deflate data") as caught:
        inflated(bytes.fromhex(payload))
    assert caught.value.error_status_hint == 1007


@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize(
    "payload",
    [
        "00 0a00f5ff 48656c6c6f",  # a block as it is, of ten octets, of which five are there
        "00 0500faff 48",
        "f248 cdc9",  # one with the fixed codes of "Hel"
    ],
)
def test_what_ends_within_a_block(payload: str, frames: int) -> None:
    """What is left off behind a message does not pass for what it lacks."""
    decompressor = Decompressor(NO_TAKEOVER, client=False)
    octets = bytes.fromhex(payload)
    with pytest.raises(LocalProtocolError, match=r"end within a block|no deflate data") as caught:
        if frames == 2:
            decompressor.decompress(octets, False, ROOMY)
            octets = b""
        decompressor.decompress(octets, True, ROOMY)
    assert caught.value.error_status_hint == 1007


@pytest.mark.parametrize("agreed", [Agreed(), NO_TAKEOVER])
@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("before", [[], [HELLO], [b"\x00"]])
def test_a_message_without_an_octet(agreed: Agreed, frames: int, before: list[bytes]) -> None:
    """An empty message should have one (RFC 7692 §7.2.3.6); some have none, and what comes next is read all the same."""
    decompressor = Decompressor(agreed, client=False)
    for payload in before:
        inflated(payload, decompressor=decompressor)
    for _ in range(3):
        if frames == 2:
            assert decompressor.decompress(b"", False, ROOMY) == b""
        assert decompressor.decompress(b"", True, ROOMY) == b""
    assert inflated(HELLO, decompressor=decompressor) == b"Hello"
    assert decompressor.decompress(HELLO, False, ROOMY) == b"Hello"
    assert decompressor.decompress(b"", True, ROOMY) == b""
    assert inflated(HELLO, decompressor=decompressor) == b"Hello"


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4), st.booleans())
def test_any_octets_are_read_or_refused_and_cuts_do_not_matter(payload: bytes, cuts: list[int], takeover: bool) -> None:
    agreed = Agreed(not takeover, not takeover)

    def outcome(frames: list[bytes]) -> bytes | int:
        decompressor = Decompressor(agreed, client=False)
        made = b""
        try:
            for frame in frames[:-1]:
                made += decompressor.decompress(frame, False, 100 - len(made))
            return made + decompressor.decompress(frames[-1], True, 100 - len(made))
        except LocalProtocolError as error:
            return error.error_status_hint

    assert outcome([payload]) == outcome(cut(payload, cuts))


# -- decompression: blocks that say that they are the last (RFC 7692 §7.2.1, §7.2.3.4)


LAST = [
    (LAST_HELLO + b"\x00", b"Hello"),
    (LAST_HELLO, b"Hello"),  # nothing was left off: it needs nothing
    (LAST_HELLO + HELLO, b"HelloHello"),
    (LAST_HELLO + LAST_HELLO + b"\x00", b"HelloHello"),
    (EMPTY_LAST * 3 + HELLO, b"Hello"),
    (EMPTY_LAST, b""),
    (HELLO + TAIL + LAST_HELLO + b"\x00", b"HelloHello"),
    (LAST_HELLO + b"\x00" + TAIL + b"\x00", b"Hello"),
    # a block of 0xff00 octets begins as what is left off ends
    (LAST_HELLO + TAIL + b"\x00" + bytes(0xFF00) + b"\x00", b"Hello" + bytes(0xFF00)),
    (EMPTY_LAST * 20000 + HELLO, b"Hello"),
    (EMPTY_LAST * 8192, b""),
]


@pytest.mark.parametrize("takeover", [False, True])
@pytest.mark.parametrize(("payload", "expected"), LAST)
def test_what_is_behind_a_last_block_is_read(payload: bytes, expected: bytes, takeover: bool) -> None:
    decompressor = Decompressor(Agreed(not takeover, not takeover), client=False)
    for _ in range(2):
        assert inflated(payload, decompressor=decompressor) == expected
        assert inflated(HELLO, decompressor=decompressor) == b"Hello"
    for at in range(min(len(payload), 40)):
        made = decompressor.decompress(payload[:at], False, ROOMY)
        made += decompressor.decompress(payload[at:], False, ROOMY)
        made += decompressor.decompress(b"", True, 0)
        assert made == expected


def test_a_bomb_behind_a_last_block() -> None:
    payload = LAST_HELLO + bomb(8 << 20)
    with pytest.raises(LocalProtocolError) as caught:
        inflated(payload, most=1 << 20)
    assert caught.value.error_status_hint == 1009
    with pytest.raises(LocalProtocolError):
        inflated(LAST_HELLO * 4, most=19)
    assert inflated(LAST_HELLO * 4, most=20) == b"Hello" * 4


# -- compression: second opinions


@given(st.lists(CONTENT, max_size=4), st.booleans(), st.booleans(), st.integers(9, 15))
def test_websockets_reads_and_writes_the_same(messages: list[bytes], client: bool, takeover: bool, bits: int) -> None:
    agreed = Agreed(not takeover, not takeover, bits, bits)
    peer = theirs.PerMessageDeflate(not takeover, not takeover, bits, bits)
    compressor = Compressor(agreed, client, PerMessageDeflate())
    decompressor = Decompressor(agreed, client)
    for content in messages:
        sent = Frame(Opcode.BINARY, compressor.compress(content, True), rsv1=True)
        assert peer.decode(sent, max_size=len(content) or None).data == content
        received = bytes(peer.encode(Frame(Opcode.BINARY, content)).data)
        if received:  # it sends nothing at all for an empty message that follows another
            assert inflated(received, decompressor=decompressor) == content


@given(st.binary(max_size=60))
def test_websockets_refuses_the_same_payloads(payload: bytes) -> None:
    peer = theirs.PerMessageDeflate(True, True, 15, 15)
    try:
        expected = bytes(peer.decode(Frame(Opcode.BINARY, payload, rsv1=True)).data)
    except ProtocolError:
        with pytest.raises(LocalProtocolError):
            inflated(payload)
        return
    try:
        made = inflated(payload)
    except LocalProtocolError:
        # It does not look behind a last block, takes a payload without an octet, and what ends within a block.
        inflater = zlib.decompressobj(-15)
        inflater.decompress(payload)
        assert inflater.eof or not payload or inflater.decompress(TAIL)
    else:
        assert made.startswith(expected)


@pytest.mark.parametrize(("client", "takeover"), list(product([False, True], repeat=2)))
@given(messages=st.lists(CONTENT, max_size=4), bits=st.integers(9, 15))
def test_wsproto_reads_and_writes_the_same(messages: list[bytes], client: bool, takeover: bool, bits: int) -> None:
    agreed = Agreed(not takeover, not takeover, bits, bits)
    peer = WsprotoDeflate(not takeover, bits, not takeover, bits)
    protocol = SimpleNamespace(client=not client)
    compressor = Compressor(agreed, client, PerMessageDeflate())
    decompressor = Decompressor(agreed, client)
    plain = RsvBits(False, False, False)
    for content in messages:
        sent = compressor.compress(content, True)
        peer.frame_inbound_header(protocol, WsprotoOpcode.BINARY, RsvBits(True, False, False), len(sent))
        made = peer.frame_inbound_payload_data(protocol, sent)
        assert made + peer.frame_inbound_complete(protocol, True) == content
        _, received = peer.frame_outbound(protocol, WsprotoOpcode.BINARY, plain, content, True)
        if received:  # it sends nothing at all for an empty message that follows another
            assert inflated(received, decompressor=decompressor) == content
