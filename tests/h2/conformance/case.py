"""What a case is: a function that takes a client, with the sections of the RFCs that it shows."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.h2.conformance.client import Client

#: The files of cases, beside this one.
FILES = (
    "cases_attacks",
    "cases_connection",
    "cases_exchanges",
    "cases_field_blocks",
    "cases_frames",
    "cases_honest",
    "cases_messages",
    "cases_priorities",
    "cases_settings",
    "cases_states",
    "cases_windows",
)


@dataclass(frozen=True)
class Case:
    """A function, or one of its variants."""

    #: ``file::function``, and the variant in brackets.
    name: str
    #: The sections, such as "9113 §6.1".
    sections: tuple[str, ...]
    run: Callable[[Client], None]
    #: Whether the connection has begun when the function is called.
    start: bool
    #: Where it runs: with the engine alone, with a server, and there also where HTTP/1.1 is spoken as well.
    engine: bool
    server: bool
    cleartext: bool


_CASES: list[Case] = []


def case(
    *sections: str,
    start: bool = True,
    engine: bool = True,
    server: bool = True,
    cleartext: bool = True,
    each: Mapping[str, Any] | Sequence[str] | None = None,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Make a function a case; with ``each``, one for every value, which is the function's second argument."""

    def register(function: Callable[..., None]) -> Callable[..., None]:
        name = f"{function.__module__.rpartition('.')[2]}.py::{function.__name__}"
        if each is None:
            variants: list[tuple[str, Callable[[Client], None]]] = [(name, function)]
        else:
            values = each if isinstance(each, Mapping) else dict.fromkeys(each)
            variants = [
                (f"{name}[{key}]", partial(_with, function, value if isinstance(each, Mapping) else key))
                for key, value in values.items()
            ]
        _CASES.extend(
            Case(label, sections, run, start, engine, server, server and cleartext) for label, run in variants
        )
        return function

    return register


def _with(function: Callable[..., None], value: Any, client: Client) -> None:
    function(client, value)


def all_cases() -> list[Case]:
    """All cases of all files."""
    if not _CASES:
        for file in FILES:
            importlib.import_module(f"tests.h2.conformance.{file}")
    return _CASES


def run(case_: Case, client: Client) -> None:
    """Run a case, and let go of its connection."""
    try:
        if case_.start:
            client.start()
        case_.run(client)
    finally:
        client.close()
