"""What ``interlock explain`` makes of recorded octets, for its tests: steps and problems, before they are text."""

import json
from collections.abc import Sequence
from typing import Any

from click.testing import CliRunner, Result

from interlock.cli import main
from interlock.cli.explain_follow import Conversation, Settings
from interlock.cli.explain_output import FORMATS, writer
from interlock.cli.explain_steps import Problem, Step
from interlock.http.limits import Limits

__all__ = ["events", "explain", "moved", "problems", "recorded"]

WRITERS = [writer(form, secrets=False) for form in FORMATS]


def explain(client: bytes | None = None, server: bytes | None = None, **known: Any) -> list[Step | Problem]:
    """All that can be told of what each end has sent, as files have it; None: it is not there."""
    given = {end: octets for end, octets in (("client", client), ("server", server)) if octets is not None}
    known.setdefault("responses", known.setdefault("limits", Limits()))
    conversation = Conversation(tuple(given), Settings(**known))
    for end, octets in given.items():
        if octets:
            conversation.sides[end].feed(octets)
    items = list(conversation.steps())
    for end in reversed(given):
        items += conversation.feed(end, b"")
    items += conversation.left()
    for item in items:
        for write in WRITERS:
            assert all("\n" not in line for line in write(item))
    return items


def problems(items: Sequence[Step | Problem]) -> list[Problem]:
    return [item for item in items if isinstance(item, Problem)]


def events(items: Sequence[Step | Problem]) -> list[str]:
    """What happened, in short: who, and what."""
    return [
        f"{item.sender} {'!' + item.rule.kind if isinstance(item, Problem) else item.event}".strip() for item in items
    ]


def moved(item: Step | Problem) -> list[str]:
    return [f"{moved.machine}: {moved.move.before} -> {moved.move.after}" for moved in item.moves]


def recorded(*arguments: str, octets: bytes = b"") -> tuple[Result, list[dict[str, Any]]]:
    """The command itself, with JSON for its output: the result, and the objects."""
    result = CliRunner().invoke(main, ["explain", "--format", "json", *arguments], input=octets)
    return result, [json.loads(line) for line in result.stdout.splitlines()]
