"""SETTINGS (RFC 9113 §6.5), and what depends on them (RFC 8441 §3)."""

from tests.h2 import raw_frames as raw
from tests.h2.conformance.case import case
from tests.h2.conformance.client import Client


@case("9113 §6.5", "9113 §6.5.3")
def settings_are_acknowledged(client: Client) -> None:
    client.send(raw.settings((raw.MAX_CONCURRENT_STREAMS, 10)), raw.settings(), raw.settings((raw.ENABLE_PUSH, 0)))
    client.expect_alive()
    if client._unacknowledged:
        client.fail("SETTINGS were not acknowledged at once")


@case("9113 §6.5.3")
def settings_are_acknowledged_before_later_frames(client: Client) -> None:
    client.send(raw.settings((raw.ENABLE_PUSH, 0)), raw.ping(b"followed"))
    while b"followed" not in client.pings:
        client.read_frame("the acknowledgement of the PING")
    if client._unacknowledged:
        client.fail("a PING was acknowledged before the SETTINGS that came before it")


@case("9113 §6.5", each={"one": 1, "six": 6})
def settings_acknowledgement_with_payload(client: Client, size: int) -> None:
    client.send(raw.frame(raw.SETTINGS, raw.ACK, 0, bytes(size)))
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


@case("9113 §6.5", each={"open": 1, "idle": 3, "servers": 2})
def settings_on_a_stream(client: Client, stream: int) -> None:
    client.upload(1)
    client.send(raw.frame(raw.SETTINGS, 0, stream))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.5")
def settings_acknowledgement_on_a_stream(client: Client) -> None:
    client.send(raw.frame(raw.SETTINGS, raw.ACK, 1))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.5", each={"three": 3, "five": 5, "seven": 7, "eleven": 11})
def settings_of_another_size(client: Client, size: int) -> None:
    client.send(raw.frame(raw.SETTINGS, 0, 0, bytes(size)))
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


BAD_VALUES = {
    "enable-push-2": (raw.ENABLE_PUSH, 2, raw.PROTOCOL_ERROR),
    "enable-push-largest": (raw.ENABLE_PUSH, 2**32 - 1, raw.PROTOCOL_ERROR),
    "initial-window-size-one-too-large": (raw.INITIAL_WINDOW_SIZE, 2**31, raw.FLOW_CONTROL_ERROR),
    "initial-window-size-largest": (raw.INITIAL_WINDOW_SIZE, 2**32 - 1, raw.FLOW_CONTROL_ERROR),
    "max-frame-size-0": (raw.MAX_FRAME_SIZE, 0, raw.PROTOCOL_ERROR),
    "max-frame-size-one-too-small": (raw.MAX_FRAME_SIZE, 16383, raw.PROTOCOL_ERROR),
    "max-frame-size-one-too-large": (raw.MAX_FRAME_SIZE, 2**24, raw.PROTOCOL_ERROR),
    "max-frame-size-largest": (raw.MAX_FRAME_SIZE, 2**32 - 1, raw.PROTOCOL_ERROR),
}


@case("9113 §6.5.2", "9113 §6.9.2", "9113 §6.5", each=BAD_VALUES)
def settings_with_a_bad_value(client: Client, bad: tuple[int, int, int]) -> None:
    key, value, code = bad
    client.send(raw.settings((key, value)))
    client.expect_goaway(code)


@case("9113 §6.5.2", start=False, each=BAD_VALUES)
def first_settings_with_a_bad_value(client: Client, bad: tuple[int, int, int]) -> None:
    key, value, code = bad
    client.send(raw.PREFACE, raw.settings((key, value)))
    client.expect_goaway(code)


@case("9113 §6.5.3", "9113 §6.5.2")
def a_bad_value_is_not_made_good_by_a_later_one(client: Client) -> None:
    """Values are processed in their order, each by itself."""
    client.send(raw.settings((raw.ENABLE_PUSH, 2), (raw.ENABLE_PUSH, 0)))
    client.expect_goaway(raw.PROTOCOL_ERROR)


GOOD_VALUES = {
    "header-table-size-0": (raw.HEADER_TABLE_SIZE, 0),
    "header-table-size-largest": (raw.HEADER_TABLE_SIZE, 2**32 - 1),
    "enable-push-0": (raw.ENABLE_PUSH, 0),
    "enable-push-1": (raw.ENABLE_PUSH, 1),
    "max-concurrent-streams-0": (raw.MAX_CONCURRENT_STREAMS, 0),
    "max-concurrent-streams-largest": (raw.MAX_CONCURRENT_STREAMS, 2**32 - 1),
    "initial-window-size-largest": (raw.INITIAL_WINDOW_SIZE, 2**31 - 1),
    "max-frame-size-smallest": (raw.MAX_FRAME_SIZE, 16384),
    "max-frame-size-largest": (raw.MAX_FRAME_SIZE, 2**24 - 1),
    "max-header-list-size-largest": (raw.MAX_HEADER_LIST_SIZE, 2**32 - 1),
    "unknown": (0x99, 5),
    "unknown-largest": (0xFFFF, 2**32 - 1),
}


@case("9113 §6.5.2", "9113 §6.5", "9113 §6.5.3", each=GOOD_VALUES)
def settings_with_a_good_value(client: Client, good: tuple[int, int]) -> None:
    client.change_settings(good)
    client.expect_served(1)


@case("9113 §6.5.3", "9113 §6.5")
def the_last_of_several_values_holds(client: Client) -> None:
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 100), (raw.INITIAL_WINDOW_SIZE, 1))
    client.request(1)
    client.expect_content(1, 1)


@case("9113 §6.5.2", "9113 §4.2")
def max_frame_size_of_the_client_is_kept(client: Client) -> None:
    """Every frame is held to it; what is sent here would fill larger ones."""
    client.send(raw.window_update(0, 2**30))
    client.change_settings((raw.MAX_FRAME_SIZE, 20000), (raw.INITIAL_WINDOW_SIZE, 2**30))
    client.request(1, "/large")
    client.expect_response(1)
    client.change_settings((raw.MAX_FRAME_SIZE, 16384))
    client.request(3, "/large")
    client.expect_response(3)


@case("9113 §6.5.2", "7541 §4.2", "9113 §4.3.1", each={"none": 0, "little": 100, "back-and-forth": -1})
def header_table_size_of_the_client_is_kept(client: Client, size: int) -> None:
    """The decoder that reads the responses refuses what is not signalled, or uses more."""
    client.closed(1)
    if size < 0:
        client.send(raw.settings((raw.HEADER_TABLE_SIZE, 0)))
        client.change_settings((raw.HEADER_TABLE_SIZE, 4096))
    else:
        client.change_settings((raw.HEADER_TABLE_SIZE, size))
    for stream in range(3, 12, 2):
        client.closed(stream)


@case("9113 §6.5.2")
def servers_settings_are_within_bounds(client: Client) -> None:
    """What a server says is checked when it comes; it also says how many streams it takes."""
    client.expect_alive()
    if not 1 <= client.server_settings.get(raw.MAX_CONCURRENT_STREAMS, 0) <= 1000:
        client.fail("SETTINGS_MAX_CONCURRENT_STREAMS is missing, or allows for very many")


@case("8441 §3", each={"2": 2, "largest": 2**32 - 1})
def enable_connect_protocol_of_another_value(client: Client, value: int) -> None:
    client.send(raw.settings((raw.ENABLE_CONNECT_PROTOCOL, value)))
    client.expect_goaway(raw.PROTOCOL_ERROR)


@case("8441 §3", each={"0": 0, "1": 1})
def enable_connect_protocol_from_a_client(client: Client, value: int) -> None:
    """From a client it says nothing (RFC 8441 §3)."""
    client.change_settings((raw.ENABLE_CONNECT_PROTOCOL, value))
    client.expect_served(1)
