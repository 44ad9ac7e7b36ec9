"""The 215 cases of the Http11Probe collection, sent to a server that is really started.

No case that the collection scores fails, but those of ACCEPTED.
"""

import contextlib
import json
import subprocess
import sys

import pytest
from tests.interop.served import serving

#: What the collection wants and interlock does not do, with the reason.
ACCEPTED = {
    "COMP-HOST-EMPTY-VALUE": "Host may be empty where the target has no authority (RFC 9112 §3.2), as in GET /",
}
#: How many of the cases are scored; fewer would mean that something was not run.
SCORED = 161
INTERFACES = ("asgi", "wsgi")


@pytest.fixture(scope="module")
def rows(shared_dir, tmp_path_factory):
    """The scored results, by interface; both servers are asked at the same time, since most of it is waiting."""
    probe = shared_dir / "probe215"
    if not (probe / "run.py").is_file():
        pytest.skip(f"{probe} is not there")
    directory = tmp_path_factory.mktemp("probe")
    results = {interface: directory / f"{interface}.json" for interface in INTERFACES}
    with contextlib.ExitStack() as stack:
        runs = []
        for interface in INTERFACES:
            arguments = [f"app_{interface}:app", "--app-dir", probe]
            server = stack.enter_context(serving(directory, *arguments, complaints="the client has disconnected"))
            host, port = server.address
            command = [sys.executable, probe / "run.py", host, str(port), "--jobs", "32", "--json", results[interface]]
            runs.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        for run in runs:
            said = run.communicate(timeout=100)[0]
            assert run.returncode in (0, 1), said
    reports = {interface: json.loads(path.read_text(encoding="utf-8")) for interface, path in results.items()}
    return {interface: [row for row in report["results"] if row["scored"]] for interface, report in reports.items()}


@pytest.mark.parametrize("interface", INTERFACES)
def test_no_scored_case_fails(rows, interface):
    assert len(rows[interface]) == SCORED
    failed = {row["id"]: row["got"] for row in rows[interface] if row["verdict"] not in ("pass", "warn")}
    assert failed.keys() == ACCEPTED.keys(), failed


@pytest.mark.parametrize("interface", INTERFACES)
def test_whatever_is_sent_the_answer_is_no_server_error(rows, interface):
    statuses = {step["status"]: row["id"] for row in rows[interface] for step in row["steps"]}
    # 426: a version of WebSocket; 501: a method or a transfer coding that is not known; 505: a version
    assert statuses.keys() <= {None, 200, 400, 408, 411, 413, 414, 417, 426, 431, 501, 505}, statuses
