"""Each case against ``interlock serve``: in cleartext with prior knowledge, and over TLS with ALPN."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.h2 import raw_frames as raw
from tests.h2.conformance.case import Case, all_cases, run
from tests.h2.conformance.socket_client import SocketClient
from tests.interop.served import serving
from tests.server.serving import Server

HERE = Path(__file__).parent
CASES = [case for case in all_cases() if case.server]

Connect = tuple[tuple[str, int], ssl.SSLContext | None]


@pytest.fixture(scope="module")
def cleartext(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    """A server that speaks both versions; at the end it has complained of nothing, and stops as it should."""
    directory = tmp_path_factory.mktemp("cleartext")
    with serving(directory, "application:app", "--app-dir", HERE, "--http", "1,2") as server:
        yield server.address, None


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    """The same with a certificate, for a client that offers h2 only."""
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2"])
    certificate = ("--tls-cert", directory / "server.pem")
    with serving(directory, "application:app", "--app-dir", HERE, "--http", "1,2", *certificate) as server:
        yield server.address, context


@pytest.mark.parametrize("case", [case for case in CASES if case.cleartext], ids=lambda case: case.name)
def test_cleartext(case: Case, cleartext: Connect) -> None:
    run(case, SocketClient(*cleartext))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tls(case: Case, tls: Connect) -> None:
    run(case, SocketClient(*tls))


def test_applications_that_go_on_after_a_reset_keep_their_places(tmp_path: Path) -> None:
    """However many requests are taken back, no more run than streams are allowed (RFC 9113 §10.5)."""
    with Server(tmp_path, "application:app", "--app-dir", HERE, "--http", "1,2") as server:
        address = server.ready().address
        for _ in range(2):
            client = SocketClient(address)
            client.start()
            for stream in range(1, 301, 2):
                client.send(raw.headers(stream, raw.block(client.fields(path="/wait"))), raw.rst_stream(stream))
            client.expect_alive()
            client.close()
        other = SocketClient(address)
        other.start()
        other.request(1, "/release")
        most = int(other.expect_response(1).content)
        other.close()
        assert 0 < most <= 200
