"""Which options a server takes."""

import dataclasses

import pytest

from interlock.h2 import Connection
from interlock.http.limits import Limits
from interlock.http.sentinels import SERVER
from interlock.server.config import MOST_LIMITS, Config
from interlock.server.sockets import TCPAddress, UnixPath


def test_the_defaults_are_a_server():
    config = Config()
    assert config.addresses == [TCPAddress("127.0.0.1", 8000)]
    assert config.scheme == "http"
    assert config.workers == 1


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().workers = 2


def test_several_addresses_in_their_order():
    config = Config(bind=("unix:/tmp/x", "[::1]:1"))
    assert config.addresses == [UnixPath("/tmp/x"), TCPAddress("::1", 1)]


def test_a_certificate_makes_it_https():
    assert Config(tls_cert="cert.pem").scheme == "https"


def test_a_certificate_for_development_makes_it_https():
    assert Config(tls_dev=True).scheme == "https"


def test_versions_in_any_order():
    assert Config(http=("2", "1")).http == ("2", "1")


@pytest.mark.parametrize("limit", MOST_LIMITS)
def test_no_limit_is_larger_than_http_2_can_tell(limit):
    """Neither cut down in silence nor the end of every connection."""
    most = MOST_LIMITS[limit]
    ceiling = {"window_ceiling": most} if limit == "window" else {}
    config = Config(limits=Limits(**{limit: most} | ceiling))
    Connection(SERVER, limits=config.limits)
    with pytest.raises(ValueError, match=f"--limit-{limit.replace('_', '-')} must be at most {most}: {most + 1}"):
        Config(limits=Limits(**{limit: most + 1}))


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({}, "none"),
        ({"tls_client_ca": "ca.pem"}, "required"),
        ({"tls_client_ca": "ca.pem", "tls_client_cert": "optional"}, "optional"),
        ({"tls_client_ca": "ca.pem", "tls_client_cert": "none"}, "none"),
    ],
)
def test_who_names_authorities_wants_certificates(options, asked):
    assert Config(tls_dev=True, **options).client_cert == asked


def test_the_password_is_never_shown():
    assert "hunter2" not in repr(Config(tls_cert="c", tls_key_password="hunter2"))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"interface": "asgi3"}, "--interface is one of auto, wsgi, asgi, not 'asgi3'"),
        ({"loop": "trio"}, "--loop is one of"),
        ({"lifespan": "yes"}, "--lifespan is one of"),
        ({"log_level": "trace"}, "--log-level is one of"),
        ({"access_log_format": "common"}, "--access-log-format is one of"),
        ({"workers": 0}, "--workers must be at least 1"),
        ({"threads": 0}, "--threads must be at least 1"),
        ({"backlog": 0}, "--backlog must be at least 1"),
        ({"workers": 1025}, "--workers must be at least 1 and at most 1024: 1025"),
        ({"threads": 4097}, "--threads must be at least 1 and at most 4096: 4097"),
        ({"backlog": 65536}, "--backlog must be at least 1 and at most 65535: 65536"),
        ({"unix_mode": 0o1777}, "three octal digits"),
        ({"unix_mode": -1}, "three octal digits"),
        ({"unix_mode": 0o600}, "--unix-mode without a unix socket"),
        ({"bind": ()}, "no address"),
        ({"bind": ("http://localhost",)}, "is none of"),
        ({"bind": (":1", ":1")}, "given twice"),
        ({"tls_key": "key.pem"}, "--tls-key without --tls-cert"),
        ({"http": ()}, "--http is 1, 2 or 1,2, not ''"),
        ({"http": ("1", "1")}, "--http is 1, 2 or 1,2, not '1,1'"),
        ({"tls_cert": "cert.pem", "tls_dev": True}, "does not go with --tls-cert"),
        ({"tls_cert": "cert.pem", "tls_client_cert": "maybe"}, "--tls-client-cert is one of none, optional, required"),
        ({"tls_cert": "cert.pem", "tls_client_cert": "optional"}, "--tls-client-cert needs --tls-client-ca"),
        ({"tls_client_ca": "ca.pem"}, "without TLS"),
        (
            {"limits": Limits(window=8, window_ceiling=7)},
            r"--limit-window-ceiling \(7\) is less than --limit-window \(8\)",
        ),
        ({"root_path": "app"}, "begins with a slash"),
        ({"root_path": "/app/"}, "ends without one"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, reason):
    with pytest.raises(ValueError, match=reason):
        Config(**options)
