"""WINDOW_UPDATE and flow control (RFC 9113 §5.2, §6.9).  That no window is overrun is checked on every DATA frame."""

from tests.h2 import raw_frames as raw
from tests.h2.conformance.application import CONTENT, LARGE
from tests.h2.conformance.case import case
from tests.h2.conformance.client import Client


@case("9113 §6.9", each={"connection": 0, "open": 1})
def window_update_of_0(client: Client, stream: int) -> None:
    client.upload(1)
    client.send(raw.window_update(stream, 0))
    if stream:
        client.expect_reset(stream, raw.PROTOCOL_ERROR)
    else:
        client.expect_goaway(raw.PROTOCOL_ERROR)


@case("9113 §6.9")
def window_update_of_0_on_a_half_closed_stream(client: Client) -> None:
    client.half_closed_remote(1)
    client.send(raw.window_update(1, 0))
    client.expect_reset(1, raw.PROTOCOL_ERROR)


@case("9113 §6.9", "9113 §4.1")
def window_update_of_0_with_the_reserved_bit(client: Client) -> None:
    client.send(raw.window_update(0, 2**31))
    client.expect_goaway(raw.PROTOCOL_ERROR)


SIZES = {"empty": 0, "three": 3, "five": 5, "eight": 8}


@case("9113 §6.9", each=SIZES)
def window_update_of_another_size(client: Client, size: int) -> None:
    client.send(raw.frame(raw.WINDOW_UPDATE, 0, 0, b"\x01" * size))
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


@case("9113 §6.9", each=SIZES)
def window_update_of_another_size_on_a_stream(client: Client, size: int) -> None:
    client.upload(1)
    client.send(raw.frame(raw.WINDOW_UPDATE, 0, 1, b"\x01" * size))
    client.expect_goaway(raw.FRAME_SIZE_ERROR)


@case("9113 §6.9.1", each={"at-once": [2**31 - 1], "in-two": [2**30, 2**30], "one-too-many": [2**31 - 65535]})
def connection_window_overflow(client: Client, increments: list[int]) -> None:
    client.send(*(raw.window_update(0, increment) for increment in increments))
    client.expect_goaway(raw.FLOW_CONTROL_ERROR)


@case("9113 §6.9.1", each={"at-once": [2**31 - 1], "in-two": [2**30, 2**30], "one-too-many": [2**31 - 65535]})
def stream_window_overflow(client: Client, increments: list[int]) -> None:
    client.upload(1)
    client.send(*(raw.window_update(1, increment) for increment in increments))
    client.expect_reset(1, raw.FLOW_CONTROL_ERROR)


@case("9113 §6.9.1")
def largest_windows(client: Client) -> None:
    client.upload(1, "/echo")
    client.send(raw.window_update(0, 2**31 - 65536), raw.window_update(1, 2**31 - 65536))
    client.send(raw.data(1, b"abc", end=True))
    client.expect_response(1, content=b"abc")


@case("9113 §6.9.2")
def settings_that_overflow_a_stream_window(client: Client) -> None:
    client.upload(1)
    client.send(raw.window_update(1, 2**31 - 65536), raw.settings((raw.INITIAL_WINDOW_SIZE, 65536)))
    client.expect_goaway(raw.FLOW_CONTROL_ERROR)


@case("9113 §5.2.1", "9113 §6.9.1", each={"0": 0, "1": 1, "3": 3, "9": 9})
def stream_window_is_kept(client: Client, window: int) -> None:
    """No more than the window comes; then octet by octet; then the rest."""
    client.change_settings((raw.INITIAL_WINDOW_SIZE, window))
    client.request(1)
    for given in range(3):
        client.expect_content(1, window + given)
        client.send(raw.window_update(1, 1))
    client.send(raw.window_update(1, 1000))
    client.expect_response(1, content=CONTENT)


@case("9113 §5.2.1", "9113 §6.9.1")
def connection_window_is_kept(client: Client) -> None:
    """Two streams with all the window that they want get what the connection has, and stall."""
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 2**30))
    client.request(1, "/large")
    client.request(3, "/large")
    while client.connection_window:
        client.read_frame("DATA, as the window allows")
    client.expect_alive()
    client.send(raw.window_update(0, 1000))
    while client.connection_window:
        client.read_frame("DATA, as the window allows")
    client.send(raw.window_update(0, 2**30))
    for stream in (1, 3):
        client.expect_response(stream, content=LARGE)


@case("9113 §5.2.1", "9113 §6.9")
def other_frames_need_no_window(client: Client) -> None:
    """Heads, acknowledgements and resets go out where no DATA may."""
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    for stream in (1, 3, 5):
        client.request(stream)
    for stream in (1, 3, 5):
        client.expect_content(stream, 0)
    client.send(raw.window_update(3, 0))
    client.expect_reset(3, raw.PROTOCOL_ERROR)


@case("9113 §6.9.1", "9113 §5.2.1")
def the_end_needs_no_window(client: Client) -> None:
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    client.request(1, "/empty")
    client.expect_response(1)


@case("9113 §5.2.1", "9113 §5.2.2")
def a_stalled_stream_holds_up_no_other(client: Client) -> None:
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 1000))
    client.request(1, "/large")
    client.expect_content(1, 1000)
    client.expect_served(3)
    client.expect_content(1, 1000)


@case("9113 §6.9.2")
def initial_window_size_changes_streams_that_run(client: Client) -> None:
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 0))
    client.request(1)
    client.expect_content(1, 0)
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 1))
    client.expect_content(1, 1)
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 100000))
    client.expect_response(1, content=CONTENT)


@case("9113 §6.9.2")
def negative_window(client: Client) -> None:
    """3 octets come; then the window is -2, and it needs an increment of 3 to let one octet through."""
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 3))
    client.request(1)
    client.expect_content(1, 3)
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 1))
    for _ in range(2):
        client.send(raw.window_update(1, 1))
        client.expect_content(1, 3)
    client.send(raw.window_update(1, 1))
    client.expect_content(1, 4)


@case("9113 §6.9.2")
def settings_do_not_change_the_connection_window(client: Client) -> None:
    client.change_settings((raw.INITIAL_WINDOW_SIZE, 2**31 - 1))
    client.request(1, "/large")
    client.expect_content(1, 65535)


@case("9113 §6.9.2", start=False)
def the_first_settings_give_the_window(client: Client) -> None:
    client.send(raw.PREFACE, raw.settings((raw.INITIAL_WINDOW_SIZE, 2)), raw.settings_ack())
    client.send(raw.headers(1, raw.block(client.fields())))
    client.expect_content(1, 2)


@case("9113 §6.9", "9113 §5.1")
def window_update_on_a_closed_stream(client: Client) -> None:
    client.closed(1)
    client.send(raw.window_update(1, 100))
    client.expect_alive()
    client.expect_served(3)


@case("9113 §6.9", "9113 §5.1")
def window_update_on_a_half_closed_stream(client: Client) -> None:
    client.half_closed_remote(1)
    client.send(raw.window_update(1, 100))
    client.expect_response(1)


# What the server gives


@case("9113 §6.9.1", "9113 §5.2.1")
def an_upload_is_given_windows(client: Client) -> None:
    """An upload that waits for its windows is taken, whatever their size."""
    client.upload(1, "/length")
    total, sent = 400_000, 0
    initial = client.server_settings.get(raw.INITIAL_WINDOW_SIZE, 65535)
    while sent < total:
        left = min(initial - client.credit.get(1, 0), 65535 - client.credit.get(0, 0), 16384, total - sent)
        if left <= 0:
            client.read_frame("WINDOW_UPDATE")
            continue
        sent += left
        client.send(raw.data(1, bytes(left), end=sent == total))
    client.expect_response(1, content=b"400000", credit=True)


@case("9113 §6.9", "9113 §6.1")
def padding_counts_and_is_given_back(client: Client) -> None:
    """All of the payload counts, Pad Length and padding included; if it were not given back, this would stall."""
    client.upload(1, "/length")
    initial = client.server_settings.get(raw.INITIAL_WINDOW_SIZE, 65535)
    for _ in range(90):
        while min(initial - client.credit.get(1, 0), 65535 - client.credit.get(0, 0)) < 16384:
            client.read_frame("WINDOW_UPDATE")
        client.send(raw.data(1, bytes(16128), pad=255))
    client.send(raw.data(1, b"", end=True))
    client.expect_response(1, content=b"%d" % (90 * 16128), credit=True)


@case("9113 §6.9", "9113 §5.4.2")
def what_comes_for_a_closed_stream_is_given_back(client: Client) -> None:
    """A server that lost this credit would sooner or later take no upload at all."""
    stream = 1
    for _ in range(30):
        client.upload(stream)
        client.send(raw.data(stream, bytes(16000)), raw.rst_stream(stream))
        client.expect_alive()
        stream += 2
    if 65535 - client.credit.get(0, 0) < 16384:
        client.fail(f"{client.credit[0]} octets of the connection's window are lost")


@case("9113 §6.9.1", server=False)
def more_than_the_stream_window(client: Client) -> None:
    """DATA beyond what was allowed is an error (RFC 9113 §6.9)."""
    initial = client.server_settings.get(raw.INITIAL_WINDOW_SIZE, 65535)
    client.keeping = True
    client.upload(1)
    for _ in range(initial // 16384 + 1):
        client.send(raw.data(1, bytes(16384)))
    client.expect_reset(1, raw.FLOW_CONTROL_ERROR, also=(raw.FLOW_CONTROL_ERROR,))
