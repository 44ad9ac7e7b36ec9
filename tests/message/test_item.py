"""Values that compare with bytes, text and numbers alike."""

import pytest

from interlock.message import Item


@pytest.mark.parametrize(
    ("given", "octets"),
    [
        (b"197", b"197"),
        ("197", b"197"),
        (197, b"197"),
        (bytearray(b"197"), b"197"),
        (memoryview(b"197"), b"197"),
        (Item("197"), b"197"),
        (None, b""),
        ("ü", "ü".encode()),
    ],
)
def test_what_is_given_becomes_octets(given: object, octets: bytes) -> None:
    assert Item(given).raw == octets
    assert type(Item(given).raw) is bytes
    assert Item(given) == given
    assert not Item(given) != given


@pytest.mark.parametrize("given", [1.5, [], object()])
def test_what_is_no_value(given: object) -> None:
    with pytest.raises(TypeError, match="bytes, str or int"):
        Item(given)
    assert Item("x") != given


@pytest.mark.parametrize("other", [b"0197", "197 ", 1970, None, "", "\udcff", b"", "١٩٧"])
def test_other_values(other: object) -> None:
    assert Item(197) != other
    assert not Item(197) == other


def test_nothing_is_equal_to_none() -> None:
    assert Item(None) == None  # noqa: E711  the comparison is what is tested
    assert Item("") == Item(None) == b"" == Item(b"")
    assert not Item(None)


def test_it_can_be_looked_up_as_bytes() -> None:
    assert {Item("GET"): 1}[b"GET"] == {b"GET": 1}[Item("GET")] == 1


def test_it_is_bytes() -> None:
    item = Item("Hello")
    assert item.replace(b"l", b"L") == b"HeLLo"
    assert item[1:3] == b"el"
    assert len(item) == 5
    assert b"".join([item, b"!"]) == b"Hello!"


def test_parts_of_it() -> None:
    assert "ell" in Item("Hello")
    assert b"ell" in Item("Hello")
    assert 19 in Item("2198")
    assert "elf" not in Item("Hello")


def test_more_of_it() -> None:
    for more in (" world", b" world", Item(" world")):
        longer = Item("Hello") + more
        assert isinstance(longer, Item)
        assert longer == "Hello world"
    item = Item("a")
    item += 5
    assert item == "a5"


def test_as_text() -> None:
    assert str(Item("ü")) == Item("ü").string == f"{Item('ü')}" == "ü"
    assert str(Item(b"a\xff")) == "a\\xff"


def test_as_a_number() -> None:
    assert int(Item("197")) == Item(197).integer == 197
    assert Item(0).integer == 0
    for text in ("", "1_0", " 1", "-1", "1.0", "٣", "9" * 19):
        assert Item(text).integer is None
        with pytest.raises(ValueError, match="not a number"):
            int(Item(text))
