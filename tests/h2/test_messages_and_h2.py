"""A second opinion on field lists: what we take the h2 library takes, and what it takes we take, but for what is stated."""

from h2.exceptions import ProtocolError
from h2.utilities import HeaderValidationFlags, validate_headers
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.h2.engine import marked

from interlock.h2.errors import StreamFault
from interlock.h2.messages import read_request, read_response, read_trailers
from interlock.http.limits import Limits

Fields = list[tuple[bytes, bytes]]
EXAMPLES = settings(deadline=None, max_examples=300)

NAMES = [
    b"x",
    b"host",
    b"te",
    b"cookie",
    b"connection",
    b"upgrade",
    b"content-length",
    b"X",
    b"a b",
    b"a:",
    b"",
    b"\x80",
]
VALUES = [b"", b"a", b"b", b"1", b"trailers", b"gzip", b" a", b"a\t", b"a\x00", b"a\nb", b"\xff", b"\x01"]
PSEUDO = [
    (b":method", [b"GET", b"CONNECT", b"OPTIONS", b"", b"G T"]),
    (b":scheme", [b"https", b"urn", b"", b"1"]),
    (b":path", [b"/", b"/a", b"*", b"", b"a", b"/ "]),
    (b":authority", [b"a", b"b", b"", b"a@b", b"a:1"]),
    (b":protocol", [b"websocket"]),
    (b":status", [b"200", b"103"]),
    (b":x", [b"y"]),
]

regular = st.lists(
    st.tuples(st.sampled_from(NAMES[:4] * 3 + NAMES), st.sampled_from(VALUES[1:6] * 3 + VALUES)), max_size=4
)
pseudo = st.lists(
    st.sampled_from(PSEUDO).flatmap(lambda field: st.tuples(st.just(field[0]), st.sampled_from(field[1]))), max_size=5
)
#: What requests begin with.
GOOD: list[Fields] = [
    [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"a")],
    [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/b")],
    [(b":method", b"CONNECT"), (b":authority", b"a:443")],
    [(b":method", b"CONNECT"), (b":protocol", b"x"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"a")],
]


@st.composite
def heads(draw: st.DrawFn) -> Fields:
    """What a request begins with, and perhaps one pseudo-header more, less, or with another value."""
    head = list(draw(st.permutations(draw(st.sampled_from(GOOD)))))
    at = draw(st.integers(0, len(head) - 1))
    what = draw(st.sampled_from(["nothing", "less", "more", "other"]))
    name, values = draw(st.sampled_from(PSEUDO))
    if what == "less":
        del head[at]
    elif what == "more":
        head.insert(at, (name, draw(st.sampled_from(values))))
    elif what == "other":
        head[at] = (head[at][0], draw(st.sampled_from(dict(PSEUDO)[head[at][0]])))
    return head


def h2_takes(fields: Fields, *, response: bool = False, trailer: bool = False) -> bool:
    flags = HeaderValidationFlags(
        is_client=response, is_trailer=trailer, is_response_header=response, is_push_promise=False
    )
    try:
        list(validate_headers(fields, flags))
    except (ProtocolError, IndexError):  # IndexError: a name that is empty
        return False
    return True


def why_refused(read: object, *arguments: object) -> str:
    """Why we refuse; "" if we do not."""
    try:
        read(*arguments)  # type: ignore[operator]
    except StreamFault as fault:
        return str(fault)
    return ""


#: Why we refuse what h2 does not look at.
STRICTER = (
    "must not stand in a trailer section (RFC 9110 §6.5.1)",
    "Content-Length",  # its grammar, and one of it (RFC 9110 §8.6)
    "CONNECT needs host:port",  # RFC 9110 §9.3.6
    "CONNECT has :authority",  # and Host is none (RFC 9113 §8.5)
    "neither :authority nor Host",  # an empty one is none (RFC 9113 §8.3.1)
    "bad host",  # its grammar (RFC 9110 §7.2)
    "userinfo",
    "bad or repeated :scheme",  # its grammar (RFC 9113 §8.3.1)
    "bad or repeated :method",
    "bad or repeated :protocol",
    "begins with no slash",
    "target",
    "illegal field value",  # control octets (RFC 9110 §5.5)
    "illegal field name",  # what is no token (RFC 9110 §5.1)
)


def agree(refused: str, taken_by_h2: bool) -> None:
    if not refused:
        assert taken_by_h2, "we take it, and h2 does not"
    elif taken_by_h2:
        assert any(reason in refused for reason in STRICTER), refused


@EXAMPLES
@given(heads(), regular)
def test_requests(head: Fields, fields: Fields) -> None:
    refused = why_refused(read_request, [*head, *fields], marked([*head, *fields]), 1, Limits(), True)
    if not refused and (b":scheme", b"urn") in head:  # h2 wants an authority whatever the scheme is (RFC 9113 §8.3.1)
        fields = [*(field for field in fields if field[0] != b"host"), (b"host", dict(head).get(b":authority", b"a"))]
    agree(refused, h2_takes([*head, *fields]))


@EXAMPLES
@given(st.one_of(st.just([(b":status", b"200")]), st.just([(b":status", b"103")]), pseudo), regular)
def test_responses(head: Fields, fields: Fields) -> None:
    refused = why_refused(read_response, [*head, *fields], marked([*head, *fields]), 1)
    agree(refused, h2_takes([*head, *fields], response=True))


@EXAMPLES
@given(regular)
def test_trailers(fields: Fields) -> None:
    agree(why_refused(read_trailers, list(fields), marked(fields)), h2_takes(fields, trailer=True))
