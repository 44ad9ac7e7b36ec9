"""Fields by name: without case, in order, with their repetitions, and none that could not be written."""

import copy

import pytest

from interlock.message import Headers, Item, LocalProtocolError


def section() -> Headers:
    return Headers([("Host", "a"), ("Accept", "x"), ("X-Y", "1"), ("accept", "y"), ("Content-Length", 197)])


def test_a_value_by_its_name() -> None:
    headers = section()
    for name in ("Content-Length", "content-length", b"CONTENT-LENGTH", Item("Content-length")):
        assert headers[name] == 197
        assert headers[name] == "197"
        assert headers[name] == b"197"
        assert name in headers
    assert headers.get("Content-Type") is None
    assert "Content-Type" not in headers
    assert 5 not in headers
    with pytest.raises(KeyError):
        headers["Content-Type"]


def test_several_values_are_a_list() -> None:
    headers = section()
    assert headers["Accept"] == ["x", "y"]
    assert headers.get_all("accept") == ["x", "y"]
    assert headers.get_all("host") == ["a"]
    assert headers.get_all("cookie") == []


def test_a_value_with_commas_is_one() -> None:
    assert Headers({"Date": "Sat, 21 Nov 2026 20:00:00 GMT"})["date"] == "Sat, 21 Nov 2026 20:00:00 GMT"


def test_attributes() -> None:
    headers = section()
    assert headers.content_length == 197
    assert headers.accept == ["x", "y"]
    headers.content_length = 5
    headers.content_type = "text/plain"
    del headers.x_y
    assert headers.raw == (
        b"Host: a\r\nAccept: x\r\naccept: y\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\n"
    )
    assert not hasattr(headers, "x_y")
    with pytest.raises(AttributeError, match="X-Y"):
        del headers.x_y


def test_an_underscore_in_a_name_is_none_of_an_attribute() -> None:
    headers = Headers({"content_length": 5})
    assert headers["content_length"] == 5
    assert "Content-Length" not in headers
    assert not hasattr(headers, "content_length")


def test_order_and_repetitions_are_written() -> None:
    assert section().raw == b"Host: a\r\nAccept: x\r\nX-Y: 1\r\naccept: y\r\nContent-Length: 197\r\n\r\n"
    assert Headers().raw == b"\r\n"
    assert list(section()) == ["Host", "Accept", "X-Y", "Content-Length"]
    assert len(section()) == 4


def test_a_list_is_one_line() -> None:
    assert Headers({"Accept": ["x", "y"]}).raw_items() == [(b"Accept", b"x, y")]
    assert Headers({"Accept": ("x", 5)})["accept"] == ["x", 5]
    assert Headers({"Accept": []}).raw_items() == []


def test_but_for_cookies() -> None:
    cookies = [(b"Set-Cookie", b"a=1; Expires=Sat, 21 Nov 2026 20:00:00 GMT"), (b"Set-Cookie", b"b=2")]
    assert Headers({"Set-Cookie": [value for _, value in cookies]}).raw_items() == cookies
    assert Headers(cookies) != Headers({"Set-Cookie": b", ".join(value for _, value in cookies)})


def test_setting_a_field_keeps_its_place_and_its_name() -> None:
    headers = section()
    headers["ACCEPT"] = "z"
    headers["New"] = "n"
    assert headers.raw_items() == [
        (b"Host", b"a"),
        (b"Accept", b"z"),
        (b"X-Y", b"1"),
        (b"Content-Length", b"197"),
        (b"New", b"n"),
    ]
    headers["Accept"] = []
    assert "Accept" not in headers
    headers["X-Y"] = ["1", "2"]
    assert headers.raw_items()[1] == (b"X-Y", b"1, 2")


def test_adding_a_line() -> None:
    headers = section()
    headers.add("Host", "b")
    assert headers["Host"] == ["a", "b"]


def test_deleting() -> None:
    headers = section()
    del headers["ACCEPT"]
    assert headers.pop("x-y") == 1
    assert headers.pop("x-y", None) is None
    assert list(headers) == ["Host", "Content-Length"]
    with pytest.raises(KeyError):
        del headers["accept"]


def test_equality() -> None:
    assert section() == {"content-length": "197", "HOST": b"a", "x-y": 1, "Accept": ["x", "y"]}
    assert section() == {"content-length": "197", "HOST": b"a", "x-y": 1, "Accept": "x, y"}
    assert section() != {"content-length": "197", "HOST": b"a", "x-y": 1, "Accept": ["y", "x"]}
    assert section() != {"content-length": "197", "HOST": b"a", "x-y": 1}
    assert section() != {"bad name": 1}
    assert section() != {"Host": None}
    assert section() != 5


def test_sums_and_differences() -> None:
    headers = section()
    more = headers + {"accept": "z", "New": 1}
    assert headers == section()
    assert more["Accept"] == "z"
    assert list(more) == ["Host", "Accept", "X-Y", "Content-Length", "New"]
    less = headers - {"ACCEPT": ["x", "y"], "Host": "b", "Nothing": 1}
    assert list(less) == ["Host", "X-Y", "Content-Length"]
    same = headers
    headers += [("New", 1)]
    headers -= {"Content-Length": 197}
    assert same is headers
    assert list(headers) == ["Host", "Accept", "X-Y", "New"]


def test_copies_stand_alone() -> None:
    headers = section()
    for other in (Headers(headers), copy.copy(headers), copy.deepcopy(headers)):
        assert other.raw == headers.raw
        other.add("Host", "b")
        other["Accept"] = "z"
        assert headers.raw == section().raw


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\nb", "ü", b"\xff"])
def test_a_bad_name(name: str | bytes) -> None:
    headers = section()
    with pytest.raises(LocalProtocolError):
        headers[name] = "x"
    with pytest.raises(LocalProtocolError):
        headers.add(name, "x")
    with pytest.raises(LocalProtocolError):
        Headers({name: "x"})
    assert headers.raw == section().raw


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\nb", "a\rb", "a\0", " a", "a\t", "ü", ["a", "b\r\n"]])
def test_a_bad_value(value: object) -> None:
    headers = section()
    with pytest.raises(LocalProtocolError):
        headers["Host"] = value
    with pytest.raises(LocalProtocolError):
        headers.add("Host", value)
    assert headers.raw == section().raw


@pytest.mark.parametrize("value", [None, 1.5, object(), [None], {}])
def test_what_is_no_value(value: object) -> None:
    with pytest.raises(TypeError):
        section()["Host"] = value


def test_octets_beyond_ascii_are_bytes() -> None:
    assert Headers({"X": "ü".encode()})["x"] == "ü"


def test_as_text() -> None:
    assert repr(Headers({"Host": "a"})) == "<Headers([(b'Host', b'a')])>"
