"""The access log: its lines, and that no request can forge one."""

import json
import os
import re
import time

import pytest

from interlock.http.events import Request
from interlock.http.fields import Headers
from interlock.net.asyncio import ExchangeRecord
from interlock.net.exchange import PeerInfo
from interlock.server.access_log import AccessLog, combined_line, json_line
from interlock.server.errors import StartError

AT = 1795178554.25  # 2026-11-20 12:42:34.25 UTC


@pytest.fixture(autouse=True)
def utc(monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def request_of(target=b"/a?b", **fields):
    headers = [(b"Host", b"a.example"), *((name.replace("_", "-").encode(), value) for name, value in fields.items())]
    return Request(method=b"GET", target=target, headers=headers)


def record(request=None, *, client=("192.0.2.1", 4711), status=200, octets=5, error=""):
    peer = PeerInfo("http", client, ("127.0.0.1", 80))
    return ExchangeRecord(peer, request, status, octets, AT, 0.0123456789, error)


def raw_request(**parts):
    """A request as no engine should give it: what its octets are is not this module's to trust."""
    agent = parts.get("agent")
    said = [(b"user-agent", agent), (b"referer", agent)] if agent is not None else []
    items = [(b"host", b"h"), *said]
    headers = Headers((), _parsed=(items, items, items[:1]))
    return Request(
        method=parts.get("method", b"GET"),
        headers=(),
        target=parts.get("target", b"/"),
        http_version=b"1.1",
        _parsed=headers,
    )


def test_a_combined_line():
    request = request_of(referer=b"http://a.example/", user_agent=b"curl/8.0 (x)")
    assert combined_line(record(request)) == (
        '192.0.2.1 - - [20/Nov/2026:12:42:34 +0000] "GET /a?b HTTP/1.1" 200 5 "http://a.example/" "curl/8.0 (x)"'
    )


def test_a_combined_line_of_what_was_no_request():
    assert combined_line(record(status=400, octets=0)) == '192.0.2.1 - - [20/Nov/2026:12:42:34 +0000] "-" 400 - "-" "-"'


def test_a_combined_line_without_a_response_or_an_address():
    line = combined_line(record(request_of(), client=None, status=0, octets=0))
    assert line == '- - - [20/Nov/2026:12:42:34 +0000] "GET /a?b HTTP/1.1" - - "-" "-"'


@pytest.mark.parametrize(("zone", "shown"), [("XXX-5:30", "18:12:35 +0530"), ("XXX+3:30", "09:12:36 -0330")])
def test_the_time_is_that_of_the_system(monkeypatch, zone, shown):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    started = AT + (1 if shown.startswith("18") else 2)  # a second that no other test asks for
    line = combined_line(ExchangeRecord(PeerInfo("http", None, None), None, 400, 0, started, 0, ""))
    assert f"[20/Nov/2026:{shown}]" in line


@pytest.mark.parametrize("octet", range(256))
def test_no_octet_forges_a_combined_line(octet):
    sent = bytes([octet])
    line = combined_line(record(raw_request(method=b"G" + sent, target=b"/" + sent, agent=b"a" + sent)))
    assert line.isascii()
    assert line.isprintable()
    parts = re.fullmatch(r'\S+ - - \[[^]]+\] "([^"]*)" 200 5 "([^"]*)" "([^"]*)"', line)
    assert parts
    for part, value in zip(parts.groups(), (b"G%b /%b HTTP/1.1" % (sent, sent), b"a" + sent, b"a" + sent), strict=True):
        read = re.sub(r"\\x([0-9A-F]{2})", lambda found: chr(int(found[1], 16)), part)
        assert read.encode("latin-1") == value


@pytest.mark.parametrize("octet", range(256))
def test_no_octet_forges_a_json_line(octet):
    sent = bytes([octet])
    line = json_line(record(raw_request(target=b"/" + sent, agent=b"a" + sent)))
    assert line.isascii()
    assert line.isprintable()
    read = json.loads(line)
    assert read["target"].encode("latin-1") == b"/" + sent
    assert read["user_agent"].encode("latin-1") == b"a" + sent


def test_a_json_line():
    assert json.loads(json_line(record(request_of(user_agent=b"curl"), error="cut"))) == {
        "time": "2026-11-20T12:42:34.250000Z",
        "client": "192.0.2.1",
        "scheme": "http",
        "method": "GET",
        "host": "a.example",
        "target": "/a?b",
        "version": "1.1",
        "status": 200,
        "octets": 5,
        "duration": 0.012346,
        "referer": None,
        "user_agent": "curl",
        "error": "cut",
    }


def test_a_json_line_of_what_was_no_request():
    read = json.loads(json_line(record(client=None, status=0)))
    assert {name for name, value in read.items() if value is None} == {
        *("client", "status", "method", "host", "target", "version", "referer", "user_agent", "error")
    }


@pytest.mark.parametrize("log_format", ["combined", "json"])
def test_lines_are_appended_and_written_at_once(tmp_path, log_format):
    path = tmp_path / "log"
    path.write_text("before\n")
    first, second = AccessLog(str(path), log_format), AccessLog(str(path), log_format)
    first.write(record(request_of(b"/1")))
    second.write(record(request_of(b"/2")))
    first.write(record(request_of(b"/3")))
    lines = path.read_text().splitlines()
    assert lines[0] == "before"
    assert [re.search(r"/([123])\b", line)[1] for line in lines[1:]] == ["1", "2", "3"]
    first.close()
    second.close()


def test_standard_output_stays_open(capfd):
    log = AccessLog("-", "combined")
    log.write(record())
    log.close()
    os.write(1, b"open\n")
    assert capfd.readouterr().out.splitlines() == [combined_line(record()), "open"]


def test_what_a_write_leaves_is_written_next(tmp_path, monkeypatch):
    log = AccessLog(str(tmp_path / "log"), "combined")
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, octets: write(file, octets[:7]))
    log.write(record())
    monkeypatch.undo()
    assert (tmp_path / "log").read_text() == f"{combined_line(record())}\n"
    log.close()


def test_a_log_that_cannot_be_opened():
    with pytest.raises(StartError, match="cannot write the access log /nowhere/log: No such file or directory"):
        AccessLog("/nowhere/log", "json")


def test_a_log_that_cannot_be_written_to_is_told_once_and_harms_nobody(monkeypatch, caplog):
    log = AccessLog("-", "combined")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    log.write(record())
    log.write(record())
    monkeypatch.setattr(os, "write", lambda _, line: len(line))
    log.write(record())
    monkeypatch.setattr(os, "write", full)
    log.write(record())
    assert [entry.getMessage() for entry in caplog.records] == [
        "cannot write the access log -: [Errno 28] No space left on device"
    ] * 2
