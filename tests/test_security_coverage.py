"""Every attack class of HTTP/1 framing has vectors, or names the tests that show what is done about it.

Those of HTTP/2 name tests: cases of ``h2/conformance`` (which run against the engine and against a server), and others.
Those of WebSocket name cases of ``ws/cases``, by their titles, and tests.
"""

import re
from pathlib import Path

import pytest
from tests.h1.vectors import read_vectors
from tests.ws.cases.case import all_cases

#: The rows of the table "HTTP/1 framing", by their first column, with the tests elsewhere that cover what no vector
#: can: what we send, and what a bridge does.
ROWS: dict[str, tuple[str, ...]] = {
    "CL.TE / TE.CL (both present)": (),
    "TE.TE, obfuscated TE, list, dup lines": (),
    "TE in HTTP/1.0": (),
    "TE in 1xx/204/2xx-to-CONNECT responses": (
        "h1/test_properties_h1.py::test_no_transfer_encoding_is_sent_where_none_may_be",
    ),
    "duplicate CL / CL list": (),
    'CL syntax `+5 -1 0x5 5_0 "" " 5 5" Unicode`': (),
    "CL leading zeros": (),
    "bare LF as line end": (),
    "bare CR": (),
    "leading empty lines": (),
    "whitespace before first field": (),
    "obs-fold": (),
    "space before colon": (),
    "field name chars, empty name": ("h1/test_properties_h1.py::test_no_field_is_sent_that_could_not_be_read",),
    "field value chars": ("h1/test_properties_h1.py::test_no_field_is_sent_that_could_not_be_read",),
    "no colon / truncated": (),
    "request line": (),
    "target form": (),
    "Host": (),
    "chunk-size": (),
    "chunk-ext": (),
    "chunk-data CRLF": (),
    "EOF in body": (),
    "trailers": (),
    "HTTP/0.9, h2 preface on h1": (),
    "pipelining": ("h1/test_properties_h1.py::test_a_server_reads_pipelined_requests_one_by_one",),
    "Upgrade/CONNECT smuggling": (),
    "Expect": (),
    "body on HEAD/1xx/204/304": ("h1/test_properties_h1.py::test_no_content_is_sent_where_none_may_be",),
    "response splitting": (
        "h1/test_properties_h1.py::test_no_field_is_sent_that_could_not_be_read",
        "h1/test_properties_h1.py::test_no_start_line_is_sent_that_could_not_be_read",
    ),
    "CL ≠ bytes written": (
        "h1/test_properties_h1.py::test_no_more_and_no_less_is_sent_than_content_length_says",
        "server/test_wsgi.py::test_too_little_content_ends_visibly_broken",
        "server/test_wsgi.py::test_no_octet_beyond_the_length_is_sent",
    ),
    "underscore headers": ("server/test_wsgi_environ.py::test_fields_that_are_not_passed_on",),
    "`Proxy` header → HTTP_PROXY": ("server/test_wsgi_environ.py::test_fields_that_are_not_passed_on",),
    "Forwarded / X-Forwarded-*": (),
}

#: Rows that only tests elsewhere can show.
SENT = {"response splitting", "CL ≠ bytes written"}

CONNECTION = "h2/conformance/cases_connection.py"
ATTACKS = "h2/conformance/cases_attacks.py"
BLOCKS = "h2/conformance/cases_field_blocks.py"
ENGINE = "h2/conformance/test_engine_state.py"
FRAMES = "h2/conformance/cases_frames.py"
HONEST = "h2/conformance/cases_honest.py"
MESSAGES = "h2/conformance/cases_messages.py"
PRIORITIES = "h2/conformance/cases_priorities.py"
STATES = "h2/conformance/cases_states.py"
TIMEOUTS = "h2/conformance/test_timeouts.py"
WINDOWS = "h2/conformance/cases_windows.py"

#: The rows of the table "HTTP/2", with the tests of each: first those of the attack, then, after None, those of what is
#: near it and must not be punished.
ROWS_OF_HTTP_2: dict[str, tuple[str | None, ...]] = {
    "field name/value validity": (
        f"{MESSAGES}::name_that_is_wrong",
        f"{MESSAGES}::value_that_is_wrong",
        f"{MESSAGES}::trailers_with_a_bad_field",
        f"{BLOCKS}::field_blocks_of_malformed_requests_are_decoded",
        None,
        "h2/conformance/cases_exchanges.py::value_that_is_right",
        "h2/conformance/cases_exchanges.py::name_of_every_character",
    ),
    "connection-specific fields": (
        f"{MESSAGES}::connection_specific_field",
        f"{MESSAGES}::chunked_upload",
        None,
        "h2/conformance/cases_exchanges.py::te_trailers",
    ),
    "pseudo-headers": (
        f"{MESSAGES}::pseudo_field_that_is_wrong",
        f"{MESSAGES}::pseudo_field_after_a_regular_one",
        f"{MESSAGES}::pseudo_field_twice",
        f"{MESSAGES}::pseudo_field_missing",
        f"{MESSAGES}::pseudo_field_with_a_bad_value",
        f"{MESSAGES}::host_that_contradicts_authority",
        f"{MESSAGES}::trailers_with_a_pseudo_field",
        f"{MESSAGES}::connect_that_is_malformed",
        f"{MESSAGES}::extended_connect_that_lacks_a_field",
        None,
        "h2/conformance/cases_exchanges.py::pseudo_fields_in_any_order",
        "h2/conformance/cases_exchanges.py::options_of_the_server",
        "h2/conformance/cases_exchanges.py::host_that_equals_authority",
        "h2/conformance/cases_exchanges.py::connect",
    ),
    "content-length vs DATA": (
        f"{MESSAGES}::content_length_that_is_not_that_of_data",
        f"{MESSAGES}::content_length_where_headers_end_the_stream",
        f"{MESSAGES}::content_length_where_trailers_end_the_stream",
        f"{MESSAGES}::content_length_that_is_no_number",
        f"{MESSAGES}::malformed_end_of_a_request_that_was_answered",
        None,
        f"{MESSAGES}::padding_is_no_content",
        "h2/conformance/cases_exchanges.py::post_with_content_length",
        "h2/conformance/cases_exchanges.py::post_with_trailers_and_content_length",
    ),
    "HPACK bomb": (
        f"{ATTACKS}::hpack_bomb",
        f"{ATTACKS}::bombs_without_end",
        f"{ATTACKS}::head_beyond_the_limit",
        f"{ATTACKS}::trailers_beyond_the_limit",
        f"{ATTACKS}::head_and_trailers_beyond_the_limit",
        f"{ATTACKS}::hpack_error_behind_the_limit",
        f"{BLOCKS}::field_block_that_does_not_decode",
        f"{BLOCKS}::table_size_update_beyond_what_we_allow",
        f"{ENGINE}::test_a_bomb_is_not_kept",
        None,
        f"{BLOCKS}::fields_of_a_library",
        f"{BLOCKS}::entry_larger_than_the_table",
        f"{HONEST}::many_cookies",
    ),
    "CONTINUATION flood": (
        f"{ATTACKS}::continuation_flood",
        f"{ATTACKS}::continuation_flood_of_large_frames",
        f"{TIMEOUTS}::test_a_field_block_continuation_by_continuation",
        None,
        f"{ATTACKS}::as_many_continuations_as_allowed",
        f"{FRAMES}::continuation_without_octets",
    ),
    "rapid reset": (
        f"{ATTACKS}::rapid_reset",
        f"{ATTACKS}::rapid_reset_of_uploads",
        f"{ENGINE}::test_streams_count_until_their_application_has_ended",
        None,
        f"{HONEST}::a_page_of_images_is_cancelled",
        f"{HONEST}::a_page_of_images_is_cancelled_now_and_then",
        f"{HONEST}::pages_of_images_are_cancelled_one_after_another",
        f"{HONEST}::twenty_thousand_requests",
    ),
    "MadeYouReset": (
        f"{ATTACKS}::made_you_reset",
        f"{ATTACKS}::made_you_reset_responses_that_wait",
        f"{ATTACKS}::malformed_requests_without_end",
        f"{ATTACKS}::refused_streams_without_end",
        f"{ENGINE}::test_streams_count_until_their_application_has_ended",
        None,
        f"{CONNECTION}::stream_error_leaves_other_streams_alone",
    ),
    "PING / SETTINGS / PRIORITY / WINDOW_UPDATE / unknown frame floods": (
        f"{ATTACKS}::flood_of",
        f"{ATTACKS}::settings_of_very_many_values",
        f"{ATTACKS}::priorities_of_very_many_streams",
        f"{ATTACKS}::acknowledgements_that_nobody_reads",
        f"{ATTACKS}::resets_that_nobody_reads",
        None,
        f"{HONEST}::keep_alive_pings",
        f"{HONEST}::a_ping_with_each_request",
        f"{HONEST}::settings_now_and_then",
        f"{HONEST}::priorities_with_each_request",
        f"{HONEST}::window_update_for_each_data_frame",
        f"{HONEST}::small_windows_of_a_slow_reader",
        f"{HONEST}::unknown_frames_now_and_then",
        f"{HONEST}::twenty_thousand_requests",
    ),
    "empty DATA / padding only": (
        f"{ATTACKS}::flood_of",
        f"{ATTACKS}::upload_of_padding",
        None,
        f"{HONEST}::upload_in_small_frames",
        f"{HONEST}::padding_that_hides_the_length",
        f"{HONEST}::padding_of_a_long_upload",
        f"{WINDOWS}::padding_counts_and_is_given_back",
    ),
    "WINDOW_UPDATE 0 / overflow": (
        f"{WINDOWS}::window_update_of_0",
        f"{WINDOWS}::connection_window_overflow",
        f"{WINDOWS}::stream_window_overflow",
        None,
        f"{WINDOWS}::largest_windows",
        f"{WINDOWS}::window_update_on_a_closed_stream",
    ),
    "INITIAL_WINDOW_SIZE shrink/negative": (
        f"{WINDOWS}::negative_window",
        f"{WINDOWS}::settings_that_overflow_a_stream_window",
        f"{TIMEOUTS}::test_a_window_that_is_shrunk_below_nothing",
        None,
        f"{WINDOWS}::initial_window_size_changes_streams_that_run",
    ),
    "data dribble / window stall (9511, 9517)": (
        f"{TIMEOUTS}::test_a_window_that_is_never_opened",
        f"{TIMEOUTS}::test_a_window_octet_by_octet",
        f"{TIMEOUTS}::test_a_connection_window_that_is_never_opened",
        f"{TIMEOUTS}::test_an_upload_octet_by_octet",
        f"{TIMEOUTS}::test_other_streams_do_not_keep_a_slow_upload",
        f"{TIMEOUTS}::test_who_reads_nothing_at_all",
        None,
        f"{TIMEOUTS}::test_a_slow_reader_that_goes_on_is_left_alone",
        f"{TIMEOUTS}::test_an_application_that_thinks_keeps_its_stream",
        f"{TIMEOUTS}::test_windows_that_are_ours_cost_nobody_anything",
    ),
    "max concurrent streams": (
        f"{STATES}::more_streams_than_allowed",
        f"{STATES}::field_blocks_of_refused_streams_are_decoded",
        f"{ATTACKS}::many_streams_before_the_settings_are_known",
        f"{ENGINE}::test_a_refused_stream_is_shown_to_nobody",
        None,
        f"{STATES}::as_many_streams_as_allowed",
        f"{HONEST}::a_hundred_uploads_at_once",
    ),
    "preface, first SETTINGS, SETTINGS ACK timeout": (
        f"{TIMEOUTS}::test_a_preface_that_never_comes",
        f"{TIMEOUTS}::test_a_preface_octet_by_octet",
        f"{TIMEOUTS}::test_settings_that_are_never_acknowledged",
        f"{CONNECTION}::wrong_preface",
        f"{CONNECTION}::first_frame_is_not_settings",
        None,
        f"{CONNECTION}::preface_octet_by_octet",
        f"{CONNECTION}::requests_before_the_servers_settings",
    ),
    "GOAWAY": (
        f"{ENGINE}::test_two_steps_of_a_graceful_end",
        f"{ENGINE}::test_streams_above_the_last_one_change_the_connection_only",
        f"{CONNECTION}::connection_error_ends_the_connection",
        "h2/conformance/test_client_role.py::test_a_goaway_that_takes_back_more",
        None,
        f"{FRAMES}::what_runs_at_a_goaway_is_finished",
    ),
    "closed-stream frames": (
        f"{STATES}::data_on_a_closed_stream",
        f"{STATES}::headers_on_a_closed_stream",
        f"{STATES}::data_long_after_the_end",
        f"{ENGINE}::test_little_is_kept_of_streams_that_are_closed",
        None,
        f"{STATES}::permitted_frame_on_a_closed_stream",
        f"{STATES}::frame_after_the_servers_reset",
        f"{STATES}::window_update_long_after_the_end",
    ),
    "server push": (
        f"{FRAMES}::push_promise_from_a_client",
        f"{FRAMES}::nothing_is_pushed",
        "h2/conformance/test_client_role.py::test_push_is_disabled",
        None,
        "h2/conformance/cases_settings.py::settings_with_a_good_value",
    ),
    "h2→h1 downgrade": (
        f"{MESSAGES}::name_that_is_wrong",
        f"{MESSAGES}::value_that_is_wrong",
        f"{MESSAGES}::pseudo_field_with_a_bad_value",
        f"{ENGINE}::test_a_malformed_request_is_shown_to_nobody",
        None,
        "h2/conformance/cases_exchanges.py::authority_becomes_host",
        "h2/conformance/cases_exchanges.py::cookies_are_put_together",
    ),
    "priority": (
        f"{PRIORITIES}::priority_update_that_says_nothing",
        f"{PRIORITIES}::priority_update_of_stream_0",
        f"{PRIORITIES}::priority_that_depends_on_itself",
        f"{ATTACKS}::priorities_of_very_many_streams",
        None,
        f"{PRIORITIES}::priority_update",
        f"{PRIORITIES}::priority_field",
        f"{PRIORITIES}::priorities_that_go_round",
    ),
}

BUDGET = "ws/test_budget.py"
CASES = "ws/test_cases.py"
CONNECTION_OF_WEBSOCKET = "ws/test_connection.py"
DEFLATE = "ws/test_deflate.py"
HANDSHAKE = "ws/test_handshake.py"
ORDERS = "ws/test_orders.py"
PAIRS = "ws/test_pairs.py"
PEERS = "ws/test_against_peers.py"
PROPERTIES = "ws/test_properties_ws.py"

#: The rows of the table "WebSocket", in the same way; ``case: `` goes before the title of a case.
ROWS_OF_WEBSOCKET: dict[str, tuple[str | None, ...]] = {
    "mask direction": (
        f"{CASES}::test_only_a_client_masks",
        f"{CASES}::test_every_frame_of_a_message_is_masked_or_none",
        None,
        f"{CASES}::test_any_key_will_do",
        "ws/test_receiver.py::test_a_message_of_any_size_in_one_read",
    ),
    "mask key": (
        f"{CONNECTION_OF_WEBSOCKET}::test_every_frame_of_a_client_has_a_key_of_its_own",
        None,
        f"{PEERS}::test_a_conversation",
    ),
    "RSV, opcode, minimal length, 63-bit": (
        "case: text with RSV 100",
        "case: ping with RSV 001, between good ones",
        "case: a continuation with RSV 100",
        "case: RSV1 on a continuation, FIN 1",
        "case: ping with RSV1",
        "case: opcode 3, 3 octets, FIN 1",
        "case: opcode 15 within a message",
        "case: text of 125 octets, its length in 16 bits",
        "case: binary of 65535 octets, its length in 64 bits",
        "case: a length of 8000000000000000 octets",
        None,
        "case: compressed and not, in turn",
        "case: text of 126 octets",
        "case: binary of 65536 octets",
        "case: within the default, still to come",
    ),
    "control frames": (
        "case: ping of 126 octets",
        "case: close of 126 octets",
        "case: pong without FIN",
        "case: ping without FIN, within a message",
        f"{BUDGET}::test_a_flood_of_control_frames",
        f"{BUDGET}::test_a_flood_that_goes_on_for_long",
        f"{BUDGET}::test_fragments_of_nothing_earn_nothing",
        f"{BUDGET}::test_pongs_that_nobody_takes_are_one",
        f"{PROPERTIES}::test_a_flood_holds_little",
        None,
        "case: ping of 125 octets",
        "case: ten pings",
        f"{BUDGET}::test_ten_pings_at_once_and_again_later",
        f"{BUDGET}::test_keep_alive_pings_for_a_day",
        f"{BUDGET}::test_a_ping_with_every_message_of_any_kind",
        f"{CONNECTION_OF_WEBSOCKET}::test_every_ping_is_answered_where_what_is_to_be_sent_is_asked_for",
    ),
    "fragmentation": (
        "case: a continuation that continues nothing, FIN 1",
        "case: a continuation behind the last fragment, FIN 0",
        "case: text in the midst of text, FIN 1",
        "case: binary in the midst of text, behind a continuation and a ping, FIN 0",
        "case: a frame more than may be",
        "case: more than 1024 frames",
        "case: a second fragment declared too long",
        f"{BUDGET}::test_a_flood_of_fragments",
        f"{PROPERTIES}::test_a_flood_holds_little",
        None,
        "case: pings between all fragments, and behind them",
        "case: empty fragments",
        "case: as many frames as may be, twice",
        f"{BUDGET}::test_16_mebibytes_in_65536_fragments",
        f"{BUDGET}::test_a_thousand_small_messages_in_one_read",
    ),
    "frame/message size": (
        "case: declared too long, and nothing of it there",
        "case: one octet more",
        "case: the default",
        "case: a length of 63 bits",
        "case: a second fragment declared too long",
        f"{PROPERTIES}::test_a_message_declared_large_holds_nothing_before_it_comes",
        None,
        "case: as long as may be, twice",
        f"{BUDGET}::test_a_message_as_long_as_may_be",
    ),
    "deflate bomb": (
        f"{PROPERTIES}::test_194_kilobytes_that_inflate_to_200_megabytes",
        f"{PROPERTIES}::test_a_bomb_against_the_default_limit",
        f"{DEFLATE}::test_a_bomb_is_refused_before_it_goes_off",
        f"{DEFLATE}::test_a_bomb_behind_a_last_block",
        f"{DEFLATE}::test_a_peer_looks_back_no_further_than_was_agreed_on",
        "case: 1001 octets in fragments",
        "case: blocks of nothing, without end",
        "case: declared longer than anything that inflates to what may be",
        "case: refers to a message that was forgotten",
        None,
        "case: 1000 octets in fragments",
        "case: incompressible, as long as may be, in fragments of one octet each flushed",
        "case: window of 8 bits, no context takeover",
        "case: 131072 octets",
    ),
    "UTF-8": (
        "case: invalid: surrogate D800",
        "case: invalid, in fragments of one octet: overlong solidus, 2",
        "case: invalid, within text: U+110000",
        "case: a character that the next message ends",
        "case: a reason that is not UTF-8: FF",
        "case: text that ends in a character",
        f"{PROPERTIES}::test_text_is_refused_with_its_first_wrong_octet",
        None,
        "case: a ping in the midst of a character",
        "case: valid, in fragments of one octet: U+10FFFF",
        "case: valid: U+FFFE",
        "case: not text at all: FF",
    ),
    "close": (
        f"{CASES}::test_every_code_from_0_to_5000",
        "case: a Close of one octet",
        "case: a reason of 124 octets",
        "case: two Closes",
        "case: no frame, behind the Close",
        f"{ORDERS}::test_every_order_of_whatever_length",
        f"{ORDERS}::test_every_order_of_four",
        f"{PAIRS}::test_the_server_ends_the_byte_stream_first",
        f"{CONNECTION_OF_WEBSOCKET}::test_what_is_behind_an_error_is_neither_read_nor_kept",
        f"{PROPERTIES}::test_what_comes_behind_the_end_is_not_kept",
        None,
        "case: a reason of 123 octets",
        "case: a Close without a code",
        f"{PAIRS}::test_every_interleaving_ends_well",
        f"{CONNECTION_OF_WEBSOCKET}::test_a_ping_before_a_close_is_answered_and_one_behind_ours_is_not",
    ),
    "handshake": (
        f"{HANDSHAKE}::test_what_a_server_refuses",
        f"{HANDSHAKE}::test_what_a_client_refuses",
        f"{HANDSHAKE}::test_a_server_accepts_only_what_is_offered",
        f"{HANDSHAKE}::test_what_the_handshake_says_nobody_else_may",
        "ws/test_extensions.py::test_what_is_malformed",
        "ws/test_extensions.py::test_much_of_nothing_is_soon_refused",
        f"{DEFLATE}::test_what_is_no_answer_fails_the_handshake",
        f"{CONNECTION_OF_WEBSOCKET}::test_accept_and_reject_exclude_each_other",
        None,
        f"{HANDSHAKE}::test_a_request_in_other_words",
        f"{HANDSHAKE}::test_a_request_over_http2",
        f"{HANDSHAKE}::test_what_a_client_accepts",
        f"{HANDSHAKE}::test_websockets_takes_and_refuses_the_same_requests",
        "ws/test_extensions.py::test_as_many_as_a_head_can_hold",
    ),
}

VECTORS = read_vectors("h1")
TITLES = {case.title: case for case in all_cases()}


def rows(text: str, name: str) -> list[str]:
    """The first column of the table of this name."""
    table = text.partition(f"**{name}**")[2].partition("\n\n")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [re.split(r"(?<!\\)\|", line)[1].strip() for line in lines[2:]]


def test_the_rows_are_those_of_the_table(shared_dir: Path) -> None:
    text = (shared_dir / "SECURITY.md").read_text(encoding="utf-8")
    assert rows(text, "HTTP/1 framing") == list(ROWS)
    assert rows(text, "HTTP/2") == list(ROWS_OF_HTTP_2)
    assert rows(text, "WebSocket") == list(ROWS_OF_WEBSOCKET)


def test_vectors_name_rows_of_the_table() -> None:
    assert {row for vector in VECTORS for row in vector.security} <= set(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_covered(row: str) -> None:
    vectors = [vector for vector in VECTORS if row in vector.security]
    assert vectors or (row in SENT and ROWS[row])


@pytest.mark.parametrize("row", [row for row in ROWS if row not in SENT])
def test_a_row_has_valid_neighbours_too(row: str) -> None:
    """What is near the attack and has to be accepted, in the same file of vectors."""
    files = {vector.file for vector in VECTORS if row in vector.security}
    accepted = [v for v in VECTORS if v.file in files and all(line[0] != "error" for line in v.expected)]
    assert len(accepted) >= 2


@pytest.mark.parametrize(
    "tests", [*ROWS_OF_HTTP_2.values(), *ROWS_OF_WEBSOCKET.values()], ids=[*ROWS_OF_HTTP_2, *ROWS_OF_WEBSOCKET]
)
def test_a_row_names_attacks_and_what_is_near_them(tests: tuple[str | None, ...]) -> None:
    assert tests.count(None) == 1
    assert tests[0] is not None
    assert tests[-1] is not None


def exists(test: str) -> bool:
    """Whether a test, ``file::test``, or a case of WebSocket is there."""
    if test.startswith("case: "):
        return test.removeprefix("case: ") in TITLES
    file, _, name = test.partition("::")
    path = Path(__file__).parent / file
    return (
        path.is_file()
        and re.search(rf"^(?:async )?def {name}\(", path.read_text(encoding="utf-8"), re.MULTILINE) is not None
    )


@pytest.mark.parametrize(
    ("row", "test"),
    [
        (row, test)
        for row, tests in (*ROWS.items(), *ROWS_OF_HTTP_2.items(), *ROWS_OF_WEBSOCKET.items())
        for test in tests
        if test is not None
    ],
)
def test_the_tests_elsewhere_exist(row: str, test: str) -> None:
    assert exists(test)


def test_what_does_not_exist_would_be_seen() -> None:
    assert not exists("case: nobody wrote this")
    assert not exists("ws/test_cases.py::test_that_nobody_wrote")
    assert not exists("ws/test_nothing.py::test_whole")


@pytest.mark.parametrize("row", ROWS_OF_WEBSOCKET)
def test_cases_of_attacks_fail_and_those_near_them_do_not(row: str) -> None:
    """A Close twice is no error, nor what comes behind it: that is dropped."""
    tests = ROWS_OF_WEBSOCKET[row]
    split = tests.index(None)
    attacks, near = (
        [TITLES[test.removeprefix("case: ")] for test in part if test is not None and test.startswith("case: ")]
        for part in (tests[:split], tests[split:])
    )
    assert [case.title for case in attacks if not case.code] == (
        ["two Closes", "no frame, behind the Close"] if row == "close" else []
    )
    assert [case.title for case in near if case.code] == []
