"""The TLS context of a server, and what may be wrong with its files."""

import ssl

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from interlock.server.config import Config
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
    issued = authority.issue_cert("localhost", key_type=trustme.KeyType.RSA)
    issued.private_key_and_cert_chain_pem.write_to_path(str(directory / "rsa-both.pem"))
    clients = trustme.CA()
    clients.cert_pem.write_to_path(str(directory / "clients.pem"))
    clients.issue_cert("client@example.org").private_key_and_cert_chain_pem.write_to_path(str(directory / "client.pem"))
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


def context_of(files, cert="good.pem", key="good.key", password=None, **options):
    """A server's context, with the files of these names."""
    if options.get("tls_client_ca"):
        options["tls_client_ca"] = str(files / options["tls_client_ca"])
    return server_context(
        Config(
            tls_cert=str(files / cert), tls_key=str(files / key) if key else None, tls_key_password=password, **options
        )
    )


@pytest.fixture
def client_context(files):
    """A client's context, which trusts the server's certificates and takes anything that OpenSSL has."""
    context = ssl.create_default_context(cafile=str(files / "ca.pem"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    return context


def handshake(context, client_context):
    """Shake hands in memory; gives both sides, the client's and the server's."""
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
    return client, server


def test_a_certificate_and_its_key(files, client_context):
    client, _ = handshake(context_of(files), client_context)
    assert client.version() == "TLSv1.3"


def test_both_in_one_file(files, client_context):
    assert handshake(context_of(files, "good-both.pem", None), client_context)[0].getpeercert()


def test_a_key_with_its_password(files, encrypted, client_context):
    context = context_of(files, "good.pem", encrypted, "open sesame")
    assert handshake(context, client_context)[0].getpeercert()


# What is agreed on: RFC 9113 §9.2.


@pytest.mark.parametrize(
    ("http", "offered", "chosen"),
    [
        (("1",), ["h2", "http/1.1"], "http/1.1"),
        (("2",), ["http/1.1", "h2"], "h2"),
        (("1", "2"), ["http/1.1", "h2"], "h2"),
        (("1", "2"), ["http/1.1"], "http/1.1"),
        (("1", "2"), ["http/1.0"], None),
        (("1",), ["h2"], None),
        (("1", "2"), None, None),
    ],
)
def test_the_protocol_that_is_chosen(files, client_context, http, offered, chosen):
    if offered:
        client_context.set_alpn_protocols(offered)
    client, server = handshake(context_of(files, http=http), client_context)
    assert client.selected_alpn_protocol() == server.selected_alpn_protocol() == chosen


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_nothing_before_tls_1_2(files, client_context, version):
    client_context.maximum_version = version
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        handshake(context_of(files), client_context)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # the same client, and a server that takes it
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.load_cert_chain(str(files / "good-both.pem"))
    assert handshake(context, client_context)[0].version() in {"TLSv1", "TLSv1.1"}


@pytest.mark.parametrize("kind", ["good", "rsa"])
def test_only_ciphers_that_http_2_allows(files, client_context, kind):
    """Each cipher of TLS 1.2 that OpenSSL has, by itself.  Appendix A prohibits those that are not both."""
    context = context_of(files, f"{kind}-both.pem", None)
    client_context.maximum_version = ssl.TLSVersion.TLSv1_2
    taken, refused = set(), set()
    for cipher in client_context.get_ciphers():
        if cipher["protocol"] == "TLSv1.3":
            continue
        client_context.set_ciphers(f"{cipher['name']}:@SECLEVEL=0")
        try:
            client, _ = handshake(context, client_context)
        except ssl.SSLError:
            refused.add(cipher["name"])
        else:
            taken.add(client.cipher()[0])
            assert cipher["aead"]
            assert cipher["kea"] == "kx-ecdhe"
    key = "ECDSA" if kind == "good" else "RSA"
    assert f"ECDHE-{key}-AES128-GCM-SHA256" in taken  # which RFC 9113 §9.2.2 wants everybody to have
    assert f"ECDHE-{key}-AES128-SHA" in refused
    assert "AES128-GCM-SHA256" in refused


def test_neither_compression_nor_renegotiation(files):
    options = context_of(files).options
    assert options & ssl.OP_NO_COMPRESSION
    assert options & ssl.OP_NO_RENEGOTIATION


# Certificates of clients.


@pytest.mark.parametrize(
    ("options", "asked", "needed"),
    [
        ({}, False, False),
        ({"tls_client_ca": "clients.pem"}, True, True),
        ({"tls_client_ca": "clients.pem", "tls_client_cert": "required"}, True, True),
        ({"tls_client_ca": "clients.pem", "tls_client_cert": "optional"}, True, False),
        ({"tls_client_ca": "clients.pem", "tls_client_cert": "none"}, False, False),
    ],
)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_certificates_of_clients(files, client_context, version, options, asked, needed):
    context = context_of(files, **options)
    client_context.maximum_version = version
    if needed:
        with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
            handshake(context, client_context)
    else:
        assert handshake(context, client_context)[1].getpeercert(binary_form=True) is None
    client_context.load_cert_chain(str(files / "client.pem"))
    assert (handshake(context, client_context)[1].getpeercert(binary_form=True) is not None) == asked
    client_context.load_cert_chain(str(files / "good-both.pem"))  # of another authority
    if asked:
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(context, client_context)
    else:
        handshake(context, client_context)


# What may be wrong.


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
        context_of(files, cert, key)
    assert "\n" not in str(caught.value)


def test_a_password_is_not_asked_for_on_the_terminal(files, encrypted):
    with pytest.raises(StartError, match=r"encrypted\.key is encrypted: .* INTERLOCK_TLS_KEY_PASSWORD"):
        context_of(files, "good.pem", encrypted)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.pem", "cannot read certificate .*none.pem: No such file or directory"),
        ("good.key", "good.key holds no certificate in PEM form"),
        ("broken.pem", "cannot use the certificates in .*broken.pem: malformed PEM"),
    ],
)
def test_what_may_be_wrong_with_the_authorities_of_clients(files, name, message):
    with pytest.raises(StartError, match=message):
        context_of(files, tls_client_ca=name)


@pytest.mark.parametrize("password", ["wrong", "", "x" * 5000])
def test_a_wrong_password(files, encrypted, password):
    with pytest.raises(StartError, match="password") as caught:
        context_of(files, "good.pem", encrypted, password)
    assert "open sesame" not in str(caught.value)
