"""Origins of all kinds for one run of the cases, and what is needed to reach them."""

import contextlib
import socket
import ssl
import tempfile

import httpx
import trustme
from tests.httpx.answers import answers
from tests.httpx.origin import Origin
from tests.httpx.origin_http2 import speak


class Site:
    """``http``, ``https``, ``h2`` (by ALPN) and ``h2c`` (by prior knowledge) are URLs without a path."""

    def __init__(self, stack):
        self.authority = trustme.CA()
        issued = self.authority.issue_cert("127.0.0.1", "localhost", "other.test", "tunnel.test")
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        self.client_certificate = f"{directory}/client.pem"
        clients = trustme.CA()
        clients.issue_cert("client@example.test").private_key_and_cert_chain_pem.write_to_path(self.client_certificate)
        self.authority_file = f"{directory}/authority.pem"
        self.authority.cert_pem.write_to_path(self.authority_file)
        self.unix = f"{directory}/socket"

        #: What a client trusts that says nothing: made once, since that takes a while.
        self.system = httpx.create_ssl_context()

        def context(*protocols):
            made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            issued.configure_cert(made)
            made.set_alpn_protocols(protocols)
            made.verify_mode = ssl.CERT_OPTIONAL
            clients.configure_trust(made)
            return made

        def origin(listener, context=None):
            made = Origin(listener, answers, context, tunnel_context=tunnel, speaks_http2=speak)
            stack.callback(made.close)
            return made

        def tcp():
            return socket.create_server(("127.0.0.1", 0))

        def url(scheme, made):
            return f"{scheme}://127.0.0.1:{made.listener.getsockname()[1]}"

        tunnel = context("h2", "http/1.1")
        unix = socket.socket(socket.AF_UNIX)
        unix.bind(self.unix)
        unix.listen(100)
        self.origins = {
            "plain": origin(tcp()),
            "tls": origin(tcp(), context("http/1.1")),
            "h2": origin(tcp(), context("h2", "http/1.1")),
            "unix": origin(unix),
        }
        for made in self.origins.values():
            made.relays_to = self.origins["tls"].listener.getsockname()
        self.http = url("http", self.origins["plain"])
        self.https = url("https", self.origins["tls"])
        self.h2 = url("https", self.origins["h2"])
        # a port that was ours and that nobody listens on
        refusing = stack.enter_context(socket.socket())
        refusing.bind(("127.0.0.1", 0))
        self.refusing = f"http://127.0.0.1:{refusing.getsockname()[1]}"

    def trusting(self):
        """What a client trusts that is to connect to these origins."""
        made = ssl.create_default_context()
        self.authority.configure_trust(made)
        return made

    def proxy(self, **options):
        return httpx.Proxy(self.http, **options)

    def take(self):
        return {name: seen for name, origin in self.origins.items() if (seen := origin.take())}


@contextlib.contextmanager
def open_site():
    with contextlib.ExitStack() as stack:
        yield Site(stack)
