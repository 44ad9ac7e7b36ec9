"""Cases of messages in fragments, and of what comes between them (RFC 6455 §5.4)."""

from tests.ws import raw
from tests.ws.cases.case import case
from tests.ws.raw import Frame

from interlock.ws import CloseReceived, Message, Ping, Pong

A, B = raw.text("fragment1", fin=False), raw.last("fragment2")
WHOLE = Message("fragment1fragment2")

case("two fragments", "§5.4", [A, B], WHOLE)
case("two fragments of binary", "§5.4", [raw.binary(b"\xff", fin=False), raw.last(b"\xfe")], Message(b"\xff\xfe"))
case("three fragments", "§5.4", [A, raw.more("-"), B], Message("fragment1-fragment2"))
case("empty fragments", "§5.4", [raw.text("", fin=False), raw.more(""), raw.last("")], Message(""))
case("empty fragments of binary", "§5.4", [raw.binary(b"", fin=False), raw.last(b"")], Message(b""))
case("an empty fragment at either end", "§5.4", [raw.text("", fin=False), raw.more("a"), raw.last("")], Message("a"))
case("a thousand empty fragments", "§5.4", [A, *[raw.more("")] * 1000, B], WHOLE)
case("as many fragments as octets", "§5.4", raw.fragmented(raw.text("as many"), 1), Message("as many"))
case("two messages in fragments", "§5.4", [A, B, A, B], WHOLE, WHOLE)
case(
    "text, then binary, then text, in fragments",
    "§5.4",
    [A, B, raw.binary(b"1", fin=False), raw.last(b"2"), A, B],
    WHOLE,
    Message(b"12"),
    WHOLE,
)
for size in (1, 125, 126, 1000, 65535, 65536):
    payload = "a" * 65537 if size > 1 else "a" * 700
    case(f"fragments of {size} octets", "§5.4", raw.fragmented(raw.text(payload), size), Message(payload))

# -- control frames in the midst of a message

case("a ping between two fragments", ("§5.4", "§5.5.2"), [A, raw.ping(b"ping"), B], Ping(b"ping"), WHOLE)
case("a pong between two fragments", ("§5.4", "§5.5.3"), [A, raw.pong(b"pong"), B], Pong(b"pong"), WHOLE)
case(
    "pings between all fragments, and behind them",
    "§5.4",
    [raw.ping(b"0"), A, raw.ping(b"1"), raw.ping(b"2"), raw.more(""), raw.ping(b"3"), B, raw.ping(b"4")],
    Ping(b"0"),
    Ping(b"1"),
    Ping(b"2"),
    Ping(b"3"),
    WHOLE,
    Ping(b"4"),
)
case(
    "a ping in the midst of a character",
    ("§5.4", "§8.1"),
    [raw.text(b"\xce", fin=False), raw.ping(b"\xce"), raw.last(b"\xba")],
    Ping(b"\xce"),
    Message("κ"),
)
case("a close between two fragments", ("§5.4", "§5.5.1"), [A, raw.close(), B], CloseReceived(1000))

# -- continuation frames without a message, and messages in the midst of another

for fin in (True, False):
    case(f"a continuation that continues nothing, FIN {fin:d}", "§5.4", raw.more("a", fin=fin), code=1002)
    case(
        f"a continuation behind a whole message, FIN {fin:d}",
        "§5.4",
        [raw.text("a"), raw.more("b", fin=fin), raw.text("c")],
        Message("a"),
        code=1002,
    )
    case(
        f"a continuation behind the last fragment, FIN {fin:d}",
        "§5.4",
        [A, B, raw.more("b", fin=fin), raw.text("c")],
        WHOLE,
        code=1002,
    )
    case(
        f"a continuation behind a ping, FIN {fin:d}",
        "§5.4",
        [raw.ping(), raw.more("b", fin=fin)],
        Ping(),
        code=1002,
    )
    for name, opcode in (("text", raw.TEXT), ("binary", raw.BINARY)):
        for first in (raw.text("a", fin=False), raw.binary(b"a", fin=False)):
            begun = "text" if first.opcode == raw.TEXT else "binary"
            case(
                f"{name} in the midst of {begun}, FIN {fin:d}",
                "§5.4",
                [first, Frame(opcode, b"b", fin), raw.last("c")],
                code=1002,
            )
            case(
                f"{name} in the midst of {begun}, behind a continuation and a ping, FIN {fin:d}",
                "§5.4",
                [first, raw.more("b"), raw.ping(), Frame(opcode, b"c", fin)],
                Ping(),
                code=1002,
            )
case("an empty continuation that continues nothing", "§5.4", raw.last(""), code=1002)
