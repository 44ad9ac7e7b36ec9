"""Cases of what is too much (RFC 6455 §10.4): octets, frames, pings."""

from tests.ws import raw
from tests.ws.cases.case import case
from tests.ws.raw import BINARY, CONTINUATION, Frame

from interlock.ws import Limits, Message, Ping, Pong

SMALL = Limits(message=200, fragments=5)

case("as long as may be", "§10.4", raw.binary(bytes(200)), Message(bytes(200)), limits=SMALL)
case("one octet more", "§10.4", raw.binary(bytes(201)), code=1009, limits=SMALL)
case(
    "declared too long, and nothing of it there",
    "§10.4",
    Frame(BINARY, b"", length=201, form=16),
    code=1009,
    limits=SMALL,
)
case("the default", "§10.4", Frame(BINARY, b"", length=2**24 + 1, form=64), code=1009)
case("within the default, still to come", "§10.4", Frame(BINARY, b"", length=2**24, form=64))
START = raw.binary(bytes(150), fin=False)
case("fragments as long as may be", "§10.4", [START, raw.last(bytes(50))], Message(bytes(200)), limits=SMALL)
case(
    "a second fragment declared too long",
    "§10.4",
    [START, Frame(CONTINUATION, b"", length=51)],
    code=1009,
    limits=SMALL,
)
case(
    "as long as may be, twice",
    "§10.4",
    [START, raw.last(bytes(50)), START, raw.last(bytes(50))],
    *[Message(bytes(200))] * 2,
    limits=SMALL,
)
case("no octet at all may be", "§10.4", raw.binary(b""), Message(b""), limits=Limits(message=0))
case("no octet at all may be, and one comes", "§10.4", raw.binary(b"a"), code=1009, limits=Limits(message=0))
EMPTY = raw.more("")
case(
    "as many frames as may be",
    "§10.4",
    [raw.text("a", fin=False), *[EMPTY] * 3, raw.last("b")],
    Message("ab"),
    limits=SMALL,
)
case(
    "as many frames as may be, twice",
    "§10.4",
    [raw.text("a", fin=False), *[EMPTY] * 3, raw.last("b")] * 2,
    *[Message("ab")] * 2,
    limits=SMALL,
)
case(
    "a frame more than may be",
    "§10.4",
    [raw.text("a", fin=False), *[EMPTY] * 4, raw.last("b")],
    code=1009,
    limits=SMALL,
)
case(
    "pings are no frames of a message",
    "§10.4",
    [raw.text("a", fin=False), *[raw.ping(bytes(100))] * 10, raw.last("b")],
    *[Ping(bytes(100))] * 10,
    Message("ab"),
    limits=SMALL,
)
case(
    "at least 1024 frames, however short a message may be",
    "§10.4",
    raw.fragmented(raw.binary(bytes(1024)), 1),
    Message(bytes(1024)),
    limits=Limits(message=1024),
)
case(
    "more than 1024 frames",
    "§10.4",
    [raw.binary(b"", fin=False), *[EMPTY] * 1024],
    code=1009,
    limits=Limits(message=1024),
)

FEW = Limits(glitches=10)
for name, frame, event in (("pings", raw.ping(b"a"), Ping(b"a")), ("pongs", raw.pong(b"a"), Pong(b"a"))):
    case(f"as many {name} as may be", ("§5.5.2", "§10.4"), [frame] * 10, *[event] * 10, limits=FEW)
    case(f"more {name} than may be", ("§5.5.2", "§10.4"), [frame] * 11, *[event] * 10, code=1008, limits=FEW)
    case(
        f"more {name} than may be, within a message",
        ("§5.5.2", "§10.4"),
        [raw.text("a", fin=False), *[frame] * 11],
        *[event] * 10,
        code=1008,
        limits=FEW,
    )
    case(
        f"{name} with every message",
        "§5.5.2",
        [frame, raw.text("m"), *raw.fragmented(raw.text("nn"), 1), frame] * 50,
        *[event, Message("m"), Message("nn"), event] * 50,
        limits=FEW,
    )
