"""Cases of the Close that an end receives (RFC 6455 §5.5.1, §7.1, §7.4)."""

from tests.ws import raw
from tests.ws.cases.case import case
from tests.ws.cases.text import INVALID
from tests.ws.raw import CLOSE, Frame

from interlock.ws import CloseReceived, Message, Ping

case("a Close without a code", ("§5.5.1", "§7.1.5"), raw.close(None), CloseReceived(1005))
case("a Close of one octet", "§5.5.1", Frame(CLOSE, b"\x03"), code=1002)
case("a Close with a code alone", "§5.5.1", raw.close(1000), CloseReceived(1000))
case(
    "a Close with a reason", ("§5.5.1", "§7.1.6"), raw.close(1000, "Hello World!"), CloseReceived(1000, "Hello World!")
)
case("a reason of 123 octets", ("§5.5", "§5.5.1"), raw.close(1000, "*" * 123), CloseReceived(1000, "*" * 123))
case("a reason of 124 octets", "§5.5", raw.close(1000, "*" * 124), code=1002)
case("a reason in Greek", "§7.1.6", raw.close(4000, "κόσμε"), CloseReceived(4000, "κόσμε"))
case("a reason of 41 characters in 123 octets", "§7.1.6", raw.close(1000, "€" * 41), CloseReceived(1000, "€" * 41))
for name, octets in INVALID.items():
    if len(octets) <= 100:
        case(f"a reason that is not UTF-8: {name}", ("§5.5.1", "§8.1"), raw.close(1000, octets), code=1007)

#: By its first and its last, what may be said and what may not (RFC 6455 §7.4.2, and IANA's registry).
MAY = ((1000, 1003), (1007, 1014), (3000, 4999))
MAY_NOT = ((0, 999), (1004, 1006), (1015, 2999), (5000, 65535))
for ranges, is_code in ((MAY, True), (MAY_NOT, False)):
    for first, last in ranges:
        for code in sorted({first, first + 1, (first + last) // 2, last - 1, last}):
            if not first <= code <= last:
                continue
            for reason in ("", "why"):
                title = f"code {code}, reason {reason!r}"
                if is_code:
                    case(title, "§7.4", raw.close(code, reason), CloseReceived(code, reason))
                else:
                    case(title, "§7.4", raw.close(code, reason), code=1002)

# -- what comes behind a Close is not looked at

GONE = CloseReceived(1000)
case("two Closes", "§5.5.1", [raw.close(), raw.close()], GONE)
case("two Closes with other codes", "§5.5.1", [raw.close(1000), raw.close(1001, "again")], GONE)
case("a ping behind the Close", "§5.5.1", [raw.close(), raw.ping(b"a")], GONE)
case("text behind the Close", "§5.5.1", [raw.close(), raw.text("a")], GONE)
case("text that is none, behind the Close", "§5.5.1", [raw.close(), raw.text(b"\xff")], GONE)
case("no frame, behind the Close", "§5.5.1", [raw.close(), Frame(3, b"a", rsv=7)], GONE)
case("the rest of a message behind the Close", "§5.5.1", [raw.text("a", fin=False), raw.close(), raw.last("b")], GONE)
case(
    "much, and then a Close and a ping",
    "§5.5.1",
    [raw.text("a" * 262144), raw.close(), raw.ping()],
    Message("a" * 262144),
    GONE,
)
case(
    "a message, a ping and a Close",
    "§5.5.1",
    [raw.text("a"), raw.ping(b"b"), raw.close(1001)],
    Message("a"),
    Ping(b"b"),
    CloseReceived(1001),
)
case("a Close behind an error", "§7.1.7", [raw.text("a", rsv=1), raw.close(1000)], code=1002)
