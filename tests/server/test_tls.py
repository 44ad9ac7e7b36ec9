"""The TLS context of a server, and what may be wrong with its files."""

import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from interlock.server.errors import StartError
from interlock.server.tls import server_context


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A directory with certificates and keys, good and bad."""
    directory = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    for name in ("good", "other"):
        issued = authority.issue_cert("localhost")
        issued.cert_chain_pems[0].write_to_path(str(directory / f"{name}.pem"))
        issued.private_key_pem.write_to_path(str(directory / f"{name}.key"))
        issued.private_key_and_cert_chain_pem.write_to_path(str(directory / f"{name}-both.pem"))
    (directory / "empty.pem").write_bytes(b"")
    for kind in ("pem", "key"):
        good = (directory / f"good.{kind}").read_bytes()
        (directory / f"broken.{kind}").write_bytes(good[:200] + b"!!!!" + good[204:])
    return directory


@pytest.fixture(scope="module")
def encrypted(files):
    """A private key under the password "open sesame"."""
    key = serialization.load_pem_private_key((files / "good.key").read_bytes(), None)
    (files / "encrypted.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    return str(files / "encrypted.key")


def handshake(context, files):
    """Shake hands with a client in memory; gives the client's side."""
    client_context = ssl.create_default_context(cafile=str(files / "ca.pem"))
    client_context.set_alpn_protocols(["h2", "http/1.1"])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server, server_hostname="localhost")
    done = 0
    while done < 2:
        done = 0
        for end in (client, server):
            try:
                end.do_handshake()
                done += 1
            except ssl.SSLWantReadError:
                pass
    return client


def test_a_certificate_and_its_key(files):
    client = handshake(server_context(str(files / "good.pem"), str(files / "good.key")), files)
    assert client.selected_alpn_protocol() == "http/1.1"
    assert client.version() == "TLSv1.3"


def test_both_in_one_file(files):
    assert handshake(server_context(str(files / "good-both.pem")), files).getpeercert()


def test_nothing_before_tls_1_2(files):
    assert server_context(str(files / "good-both.pem")).minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_key_with_its_password(files, encrypted):
    assert handshake(server_context(str(files / "good.pem"), encrypted, "open sesame"), files).getpeercert()


@pytest.mark.parametrize(
    ("cert", "key", "message"),
    [
        ("none.pem", "good.key", "cannot read certificate .*none.pem: No such file or directory"),
        ("good.pem", "none.key", "cannot read private key .*none.key: No such file or directory"),
        ("good.pem", "other.key", "private key in .*other.key does not belong to the certificate in .*good.pem"),
        ("empty.pem", "good.key", "empty.pem holds no certificate in PEM form"),
        ("good.key", "good.pem", "good.key holds no certificate in PEM form"),
        ("good.pem", "good.pem", "good.pem holds no private key in PEM form"),
        ("good.pem", None, "good.pem holds no private key in PEM form"),
        (
            "broken.pem",
            "good.key",
            "cannot use the certificate or private key in .*broken.pem or .*good.key: malformed PEM",
        ),
        ("good.pem", "broken.key", "cannot use the certificate or private key in .*good.pem or .*broken.key"),
        ("", "good.key", "cannot read certificate .*: Is a directory"),
    ],
)
def test_what_may_be_wrong_is_told_in_a_line(files, cert, key, message):
    with pytest.raises(StartError, match=message) as caught:
        server_context(str(files / cert), str(files / key) if key else None)
    assert "\n" not in str(caught.value)


def test_a_password_is_not_asked_for_on_the_terminal(files, encrypted):
    with pytest.raises(StartError, match=r"encrypted\.key is encrypted: .* INTERLOCK_TLS_KEY_PASSWORD"):
        server_context(str(files / "good.pem"), encrypted)


@pytest.mark.parametrize("password", ["wrong", "", "x" * 5000])
def test_a_wrong_password(files, encrypted, password):
    with pytest.raises(StartError, match="password") as caught:
        server_context(str(files / "good.pem"), encrypted, password)
    assert "open sesame" not in str(caught.value)
