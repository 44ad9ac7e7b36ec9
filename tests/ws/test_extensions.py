"""Sec-WebSocket-Extensions: the grammar of RFC 6455 §9.1, and the websockets library's opinion of it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from websockets.exceptions import InvalidHeader
from websockets.headers import build_extension, parse_extension

from interlock.http.errors import LocalProtocolError
from interlock.ws.extensions import Extension, format_extension, parse_extensions

TCHAR = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

TOKENS = st.text(TCHAR, min_size=1, max_size=12).map(str.encode)
PARAMETERS = st.lists(st.tuples(TOKENS, st.none() | TOKENS), max_size=4)
WHITE_SPACE = st.text(" \t", max_size=2).map(str.encode)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        # RFC 6455 §9.1
        ([b"foo", b"bar; baz=2"], [(b"foo", []), (b"bar", [(b"baz", b"2")])]),
        ([b"foo, bar; baz=2"], [(b"foo", []), (b"bar", [(b"baz", b"2")])]),
        ([b"deflate-stream"], [(b"deflate-stream", [])]),
        (
            [b"mux; max-channels=4; flow-control, deflate-stream"],
            [(b"mux", [(b"max-channels", b"4"), (b"flow-control", None)]), (b"deflate-stream", [])],
        ),
        ([b"private-extension"], [(b"private-extension", [])]),
        # RFC 7692 §7.1
        (
            [b'permessage-deflate; server_max_window_bits="10"'],
            [(b"permessage-deflate", [(b"server_max_window_bits", b"10")])],
        ),
        (
            [b"permessage-deflate; client_max_window_bits; server_max_window_bits=10", b"permessage-deflate"],
            [
                (b"permessage-deflate", [(b"client_max_window_bits", None), (b"server_max_window_bits", b"10")]),
                (b"permessage-deflate", []),
            ],
        ),
        # white space around all parts, and elements without anything
        ([b"a\t;b =\t1 ; c , d"], [(b"a", [(b"b", b"1"), (b"c", None)]), (b"d", [])]),
        ([b",a, ,b,,\t"], [(b"a", []), (b"b", [])]),
        ([b"", b"a"], [(b"a", [])]),
        # names are kept as they are, and so are repeated parameters
        ([b"A; B=1; B=2"], [(b"A", [(b"B", b"1"), (b"B", b"2")])]),
        ([rb'a; b="1\2\3"'], [(b"a", [(b"b", b"123")])]),
    ],
)
def test_what_is_read(values: list[bytes], expected: list[tuple[bytes, list[tuple[bytes, bytes | None]]]]) -> None:
    assert parse_extensions(values) == [Extension(*parts) for parts in expected]


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ,\t,",
        b";",
        b"a;",
        b"a;,b",
        b"a;;b",
        b";a",
        b"a=1",
        b'a="1"',
        b"a b",
        b"a; b c",
        b"a; b=",
        b"a; b=,c",
        b"a; b=1 2",
        b"a; b=1=2",
        b'a; b=""',
        b'a; b="1',
        b'a; b="1 2"',
        b'a; b="1,2"',
        b'a; b="1"2',
        b'a; b=1"2"',
        rb'a; b="1\"',
        rb'a; b="\"1"',
        rb'a; b="\\"',
        b'"a"',
        b'a; "b"',
        b"a/b",
        b"a; b=(1)",
        b"a\x80",
        b"a\x0b",
        b"a\n",
        b"a; b=1\n",
    ],
)
def test_what_is_malformed(value: bytes) -> None:
    with pytest.raises(LocalProtocolError, match=r"RFC 6455 §9\.1"):
        parse_extensions([value])


def test_a_quoted_string_does_not_reach_into_the_next_field() -> None:
    with pytest.raises(LocalProtocolError, match="malformed"):
        parse_extensions([b'a; b="1', b'2"'])


def test_an_error_quotes_little() -> None:
    with pytest.raises(LocalProtocolError) as caught:
        parse_extensions([b"a; " + b"(" * 10000])
    assert len(str(caught.value)) < 200


@given(st.lists(st.tuples(TOKENS, PARAMETERS), min_size=1, max_size=4), st.data())
def test_what_is_written_is_read_back(extensions: list, data: st.DataObject) -> None:
    """However white space, quotes and fields are put."""
    values = [b""]
    for name, parameters in extensions:
        written = format_extension(name, parameters)
        if data.draw(st.booleans()):
            written = written.replace(b"; ", data.draw(WHITE_SPACE) + b";" + data.draw(WHITE_SPACE))
        if data.draw(st.booleans()):
            pieces = [name]
            for parameter, value in parameters:
                quoted = b"" if value is None else b'="%b"' % value.replace(b"a", rb"\a")
                pieces.append(parameter + quoted)
            written = b";".join(pieces)
        if values[-1] and data.draw(st.booleans()):
            values.append(written)
        else:
            values[-1] = values[-1] + b"," + data.draw(WHITE_SPACE) + written
    assert parse_extensions(values) == [Extension(*parts) for parts in extensions]


@given(st.text('ab1;=,"\\ \t(\x0b', max_size=16))
@example('a;b="\\1"')
@example('a;b="1" ,b')
def test_websockets_reads_the_same(text: str) -> None:
    text = text.strip(" \t")  # as the value of a field is
    try:
        expected = [
            Extension(
                name.encode(), [(key.encode(), None if value is None else value.encode()) for key, value in pairs]
            )
            for name, pairs in parse_extension(text)
        ]
    except InvalidHeader:
        with pytest.raises(LocalProtocolError):
            parse_extensions([text.encode()])
    else:
        assert parse_extensions([text.encode()]) == expected


@given(TOKENS, PARAMETERS)
def test_websockets_writes_the_same(name: bytes, parameters: list) -> None:
    pairs = [(key.decode(), None if value is None else value.decode()) for key, value in parameters]
    assert format_extension(name, parameters).decode() == build_extension([(name.decode(), pairs)])


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        (b"", []),
        (b"a b", []),
        (b"a,b", []),
        (b"a\r\n", []),
        (b"a", [(b"", None)]),
        (b"a", [(b"b;c", None)]),
        (b"a", [(b"b", b"")]),
        (b"a", [(b"b", b"1 2")]),
        (b"a", [(b"b", b"1\r\nc: d")]),
        (b"a", [(b"b", b"\xe9")]),
    ],
)
def test_what_is_not_written(name: bytes, parameters: list) -> None:
    with pytest.raises(LocalProtocolError, match=r"not a token \(RFC 6455 §9\.1\)"):
        format_extension(name, parameters)


@pytest.mark.parametrize(
    "value",
    [b"," * 65536, b"a" * 65536 + b'"', b"a;b=" + b'"' + b"\\a" * 32768, b" \t" * 32768 + b"(", b"a;" * 32768],
)
def test_much_of_nothing_is_soon_refused(value: bytes) -> None:
    with pytest.raises(LocalProtocolError):
        parse_extensions([value])


def test_as_many_as_a_head_can_hold() -> None:
    assert len(parse_extensions([b"a;b;c=1," * 8192])) == 8192


def test_extensions_compare_by_value() -> None:
    extension = Extension(b"a", [(b"b", b"1")])
    assert extension == Extension(b"a", [(b"b", b"1")])
    assert extension != Extension(b"a", [(b"b", None)])
    assert extension != Extension(b"b", [(b"b", b"1")])
    assert extension != "a"
    assert repr(extension) == "Extension(b'a', [(b'b', b'1')])"
