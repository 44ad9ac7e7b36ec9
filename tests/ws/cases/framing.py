"""Cases of single frames: lengths, reserved bits and opcodes, control frames (RFC 6455 §5.2, §5.5)."""

from tests.ws import raw
from tests.ws.cases.case import case
from tests.ws.raw import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, Frame

from interlock.ws import Message, Ping, Pong

OPCODES = {"text": TEXT, "binary": BINARY, "ping": PING, "pong": PONG, "close": CLOSE}
GOOD = raw.text("good")

# -- §5.2, §5.6: messages of one frame

for size in (0, 1, 2, 3, 4, 5, 7, 8, 9, 124, 125, 126, 127, 128, 254, 255, 256, 65535, 65536, 131072):
    case(f"text of {size} octets", ("§5.2", "§5.6"), raw.text("*" * size), Message("*" * size))
    octets = bytes(range(0, 256, 3)) * (size // 86 + 1)
    case(f"binary of {size} octets", ("§5.2", "§5.6"), raw.binary(octets[:size]), Message(octets[:size]))
case("binary that would be no text", "§5.6", raw.binary(b"\xff\xfe\x80"), Message(b"\xff\xfe\x80"))
case("a thousand messages", "§5.6", [raw.text("m")] * 1000, *[Message("m")] * 1000)

# -- §5.2: the length

for form, sizes in ((16, (0, 1, 125)), (64, (0, 1, 125, 126, 65535))):
    for size in sizes:
        for name, opcode in (("text", TEXT), ("binary", BINARY)):
            case(
                f"{name} of {size} octets, its length in {form} bits",
                "§5.2",
                Frame(opcode, b"a" * size, form=form),
                code=1002,
            )
    for name, opcode in (("ping", PING), ("pong", PONG), ("close", CLOSE)):
        case(
            f"{name} whose length is in {form} bits", ("§5.2", "§5.5"), Frame(opcode, b"\x03\xe8", form=form), code=1002
        )
for length in (2**63, 2**63 + 5, 2**64 - 1):
    case(f"a length of {length:x} octets", "§5.2", Frame(BINARY, b"a", length=length, form=64), code=1002)
    case(
        f"a continuation of {length:x} octets",
        "§5.2",
        [raw.binary(b"a", fin=False), Frame(CONTINUATION, b"a", length=length, form=64)],
        code=1002,
    )
case("a length of 63 bits", ("§5.2", "§10.4"), Frame(BINARY, b"a", length=2**63 - 1, form=64), code=1009)

# -- §5.2: reserved bits

for name, opcode in OPCODES.items():
    for rsv in range(1, 8):
        bad = Frame(opcode, b"\x03\xe8" if opcode == CLOSE else b"abc", rsv=rsv)
        case(f"{name} with RSV {rsv:03b}", "§5.2", bad, code=1002)
        case(
            f"{name} with RSV {rsv:03b}, between good ones",
            "§5.2",
            [GOOD, raw.ping(b"1"), bad, GOOD, raw.ping(b"2"), raw.close()],
            Message("good"),
            Ping(b"1"),
            code=1002,
        )
for rsv in range(1, 8):
    case(
        f"a continuation with RSV {rsv:03b}",
        ("§5.2", "7692 §6.1"),
        [raw.text("a", fin=False), raw.more("b", fin=True, rsv=rsv)],
        code=1002,
    )

# -- §5.2: reserved opcodes

for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15):
    for payload in (b"", b"abc"):
        for fin in (True, False):
            case(
                f"opcode {opcode}, {len(payload)} octets, FIN {fin:d}",
                "§5.2",
                [GOOD, Frame(opcode, payload, fin), GOOD],
                Message("good"),
                code=1002,
            )
    case(
        f"opcode {opcode} within a message",
        "§5.2",
        [raw.text("a", fin=False), Frame(opcode, b""), raw.last("b")],
        code=1002,
    )

# -- §5.5: control frames

for size in (0, 1, 7, 124, 125):
    octets = bytes(range(250, 250 - size, -1))
    case(f"ping of {size} octets", ("§5.5", "§5.5.2"), raw.ping(octets), Ping(octets))
    case(f"pong of {size} octets that nobody asked for", ("§5.5", "§5.5.3"), raw.pong(octets), Pong(octets))
for name, opcode in (("ping", PING), ("pong", PONG), ("close", CLOSE)):
    start = b"\x03\xe8" if opcode == CLOSE else b""
    for size in (126, 127, 1000, 65536):
        case(
            f"{name} of {size} octets",
            "§5.5",
            [GOOD, Frame(opcode, start + b"a" * (size - len(start))), GOOD],
            Message("good"),
            code=1002,
        )
    case(f"{name} without FIN", "§5.5", [Frame(opcode, start, fin=False), raw.last(b"")], code=1002)
    case(
        f"{name} without FIN, within a message",
        ("§5.4", "§5.5"),
        [raw.text("a", fin=False), Frame(opcode, start, fin=False)],
        code=1002,
    )
case(
    "ten pings",
    "§5.5.2",
    [raw.ping(b"payload-%d" % number) for number in range(10)],
    *(Ping(b"payload-%d" % number) for number in range(10)),
)
case(
    "pings between messages",
    "§5.5.2",
    [raw.ping(b"a"), GOOD, raw.ping(), raw.pong(b"b"), GOOD],
    Ping(b"a"),
    Message("good"),
    Ping(),
    Pong(b"b"),
    Message("good"),
)
case(
    "a ping of octets that are no text",
    "§5.5.2",
    raw.ping(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"),
    Ping(b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff"),
)
