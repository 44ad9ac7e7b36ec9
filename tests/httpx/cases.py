"""The list that cases are in, and what all kinds of them share."""

from collections.abc import Callable
from typing import Any, NamedTuple

#: Every case, by its name.
CASES: dict[str, "Case"] = {}

#: httpx's timeout where a case does not wait for one: it fails rather than hangs.  An integer, as many are that people give.
LONG = 20
#: A timeout that a case waits for.  What it waits for never comes, so it may be short.
SHORT = 0.05
#: One in which something else has to come first, on a machine that is busy, too.
ENOUGH = 0.4


class Case(NamedTuple):
    """What is asked, as a coroutine of a face and a site, and the options of the transport and of the client."""

    name: str
    function: Callable[[Any, Any], Any]
    options: Callable[[Any], tuple[dict[str, Any], dict[str, Any]]]


def add(name, function, client=None, **transport):
    """Values that are functions are called with the site."""

    def options(site):
        def resolved(given):
            return {key: value(site) if callable(value) else value for key, value in given.items()}

        return {"verify": site.system, **resolved(transport)}, {
            "trust_env": False,
            "timeout": LONG,
            **resolved(client or {}),
        }

    assert name not in CASES, f"there are two cases {name}"
    CASES[name] = Case(name, function, options)


def case(client=None, **transport):
    """The same for a function, by its own name."""

    def decorate(function):
        add(function.__name__, function, client, **transport)
        return function

    return decorate


def trusting(site):
    """For ``verify``: a context that trusts the site."""
    return site.trusting()


def told(response):
    """What a response tells, for a comparison."""
    return (
        response.status_code,
        response.extensions.get("http_version"),
        response.extensions.get("reason_phrase"),
        response.headers.raw,
        response.content,
        len(response.history),
    )
