"""What RFC 9113 says of one stream and of one connection, as facts and rules about them: a second opinion on the tables.

A model keeps what has happened, not states: what is legal follows from the facts, and so do the states' names, which
are those of the tables.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol, Self

from tests.machine.traces import States, Walk


class Facts(Protocol):
    """Facts."""

    def after(self, event: str) -> Self | None:
        """The facts after ``event``; None where it is illegal."""

    def states(self) -> States:
        """The states that the facts make."""


#: Every set of facts that can be: its states, and by event the number of the next set; -1: illegal.
Model = list[tuple[States, dict[str, int]]]


def explored(facts: Facts, events: Iterable[str]) -> Model:
    """All that ``events`` can make of the facts."""
    numbers = {facts: 0}
    model: Model = []
    for known in (queue := [facts]):  # grows while it is walked
        rows = {}
        for event in events:
            after = known.after(event)
            if after is None:
                rows[event] = -1
                continue
            if after not in numbers:
                numbers[after] = len(queue)
                queue.append(after)
            rows[event] = numbers[after]
        model.append((known.states(), rows))
    return model


def disagreement(walk: Walk, model: Model) -> str:
    """Where ``walk`` and the model part, for people; "" if they do nowhere."""
    reached = {0: walk.start}
    for number in (queue := [0]):  # grows while it is walked
        states = reached[number]
        wanted, rows = model[number]
        if states != wanted:
            return f"{states} should be {wanted}"
        for event, target in rows.items():
            after = walk.after(states, event) if event in walk.events else None
            if after is None or target < 0:
                if after is not None or target >= 0:
                    return f"{event} is {'illegal' if after is None else 'legal'} in {states}"
            elif target not in reached:
                reached[target] = after
                queue.append(target)
            elif after != reached[target]:
                return f"{event} leads from {states} to {after}, not {reached[target]}"
    return ""


OTHER = {"local": "remote", "remote": "local", "client": "server", "server": "client"}
NOBODY = ""


@dataclass(frozen=True)
class StreamFacts:
    """One stream, seen from its ``local`` end."""

    #: Who made the request, if somebody did; and whether it was pushed, so that nothing of it comes on this stream.
    requester: str = NOBODY
    promised: bool = False
    #: Whether anything was sent on a stream that was promised, and whether the final response has begun.
    answering: bool = False
    final: bool = False
    #: Who has sent END_STREAM, and whether the local end has given all that it will send, with trailers or without.
    ended: frozenset[str] = frozenset()
    finished: bool = False
    trailing: bool = False
    #: A CONNECT that is not answered, and one that was accepted.
    proposed: bool = False
    tunnel: bool = False
    #: Who has sent RST_STREAM first.
    reset: str = NOBODY

    def after(self, event: str) -> Self | None:
        end, _, what = event.partition(".")
        if what == "Priority":  # in any state (RFC 9113 §6.3)
            return self
        if self.requester == NOBODY:
            return self._begin(end, what)
        if self.reset != NOBODY or len(self.ended) == 2:
            return self._late(end, what)
        if what == "Reset":
            return replace(self, reset=end)
        if what == "WindowUpdate":  # not from who has promised and sent nothing (RFC 9113 §5.1)
            return self if not self.promised or self.answering or end == self.requester else None
        if end in self.ended:
            return None
        return self._message(end, what)

    def _begin(self, end: str, what: str) -> Self | None:
        """A stream opens with a request, or the promise of a response to one (RFC 9113 §5.1)."""
        if what == "Promise":
            return replace(self, requester=OTHER[end], promised=True, ended=frozenset({OTHER[end]}))
        if what not in {"Request", "Request.end", "Request.connect"}:
            return None
        return replace(
            self,
            requester=end,
            ended=frozenset({end}) if what == "Request.end" else frozenset(),
            proposed=what == "Request.connect",
        )

    def _late(self, end: str, what: str) -> Self | None:
        """A closed stream: only what the remote end may have sent before it knew (RFC 9113 §5.1)."""
        if end == "local":
            return None
        if what == "Reset":
            return self
        if self.reset == "remote":
            return None
        if what == "WindowUpdate":
            return self
        if self.reset == NOBODY:
            return None
        if what in {"Response", "Response.end"}:
            return None if self.tunnel else replace(self, proposed=False)
        if what == "Response.accept":
            return replace(self, proposed=False, tunnel=True) if self.proposed else None
        if what == "Trailers":
            return None if self._is_connect() else self
        return self if what in {"InformationalResponse", "Data", "Data.end"} else None

    def _message(self, end: str, what: str) -> Self | None:
        """A request is sent at once; a response is any number of interim heads, and a final one (RFC 9113 §8.1)."""
        begun = end == self.requester or self.final
        finished = self.finished and end == "local"
        ends = frozenset({*self.ended, end})
        if what in {"InformationalResponse", "Response", "Response.end", "Response.accept"}:
            if begun:
                return None
            if what == "InformationalResponse":
                return replace(self, answering=True)
            if what == "Response.accept":  # RFC 9113 §8.5
                return replace(self, answering=True, final=True, proposed=False, tunnel=True) if self.proposed else None
            ended = ends if what == "Response.end" else self.ended
            return replace(self, answering=True, final=True, proposed=False, ended=ended)
        if not begun:
            return None
        if what == "Data":
            return None if finished else self
        if what == "Finish":
            return None if finished else replace(self, finished=True)
        if what == "FinishWithTrailers":
            return None if finished or self._is_connect() else replace(self, finished=True, trailing=True)
        if what == "Data.end":
            return None if finished and self.trailing else replace(self, ended=ends)
        if what == "Trailers" and not self._is_connect():
            return replace(self, ended=ends) if self.trailing or not finished else None
        return None

    def _is_connect(self) -> bool:
        """Neither CONNECT, until it is refused, nor a tunnel has trailers (RFC 9113 §8.5)."""
        return self.proposed or self.tunnel

    def states(self) -> States:
        connect = "ACCEPTED" if self.tunnel else "PROPOSED" if self.proposed else "NONE"
        return self._figure_2(), self._of("local"), self._of("remote"), connect

    def _figure_2(self) -> str:
        if self.requester == NOBODY:
            return "IDLE"
        if self.reset != NOBODY:
            return f"RESET_{self.reset.upper()}"
        if self.promised and not self.answering:
            return f"RESERVED_{OTHER[self.requester].upper()}"
        if not self.ended:
            return "OPEN"
        return "CLOSED" if len(self.ended) == 2 else f"HALF_CLOSED_{''.join(self.ended).upper()}"

    def _of(self, end: str) -> str:
        if self.requester == NOBODY:
            return "IDLE"
        if end in self.ended and (self.reset, end) != ("local", "remote"):
            return "DONE"
        if self.reset != NOBODY:  # of the remote end more may be on its way, whatever it had said (RFC 9113 §5.4.2)
            return "BROKEN"
        if end != self.requester and not self.final:
            return "HEAD"
        if end == "local" and self.finished:
            return "TRAILING" if self.trailing else "ENDING"
        return "TUNNEL" if self.tunnel else "BODY"


@dataclass(frozen=True)
class EndFacts:
    """What one end has done on a connection."""

    prefaced: bool
    #: SETTINGS, and whether the last ones were acknowledged.
    settings: bool = False
    unacknowledged: bool = False
    #: Within a field block.
    in_block: bool = False
    #: GOAWAY: the first step of a shutdown, and one that names streams.
    announced: bool = False
    named: bool = False
    closed: bool = False
    failed: bool = False


@dataclass(frozen=True)
class ConnectionFacts:
    """One connection, seen from outside."""

    client: EndFacts = EndFacts(prefaced=False)
    server: EndFacts = EndFacts(prefaced=True)  # its preface is its SETTINGS alone (RFC 9113 §3.4)

    def after(self, event: str) -> Self | None:
        end, _, what = event.partition(".")
        mine: EndFacts = getattr(self, end)
        theirs: EndFacts = getattr(self, OTHER[end])
        if what == "SettingsAck":  # of SETTINGS that were sent (RFC 9113 §6.5.3)
            if not theirs.unacknowledged or _after(mine, "Frame") is None:
                return None
            return replace(self, **{OTHER[end]: replace(theirs, unacknowledged=False)})
        if what == "OpenStream" and (theirs.named or theirs.closed or theirs.failed):  # RFC 9113 §6.8
            return None
        after = _after(mine, what)
        return None if after is None else replace(self, **{end: after})

    def states(self) -> States:
        return (
            _life(self.client, "PREFACE"),
            _life(self.server, "START"),
            *("PENDING" if facts.unacknowledged else "ACKNOWLEDGED" for facts in (self.client, self.server)),
            *("OPEN" if facts.in_block else "COMPLETE" for facts in (self.client, self.server)),
        )


def _after(mine: EndFacts, what: str) -> EndFacts | None:
    """The facts of an end that does something which the other has no say in."""
    if what == "Error":
        return EndFacts(False, unacknowledged=mine.unacknowledged, in_block=mine.in_block, failed=True)
    if mine.failed:
        return None
    if what == "ConnectionClosed":
        return EndFacts(False, unacknowledged=mine.unacknowledged, in_block=mine.in_block, closed=True)
    if mine.closed:
        return None
    if what == "Preface":
        return None if mine.prefaced else replace(mine, prefaced=True)
    if not mine.prefaced or (not mine.settings and what != "Settings"):  # RFC 9113 §3.4
        return None
    if what == "OpenStream":
        return mine
    if mine.in_block:  # nothing between the frames of a field block (RFC 9113 §6.10)
        return replace(mine, in_block=what == "Continuation") if what.startswith("Continuation") else None
    if what == "Settings":
        return None if mine.unacknowledged else replace(mine, settings=True, unacknowledged=True)
    if what == "ShutDown":
        return None if mine.named else replace(mine, announced=True)
    if what == "GoAway":
        return replace(mine, announced=False, named=True)
    if what == "BlockBegin":
        return replace(mine, in_block=True)
    return mine if what == "Frame" else None


def _life(facts: EndFacts, prefaced: str) -> str:
    """``prefaced``: what it is called when everything before the first SETTINGS was sent."""
    if facts.failed:
        return "ERROR"
    if facts.closed:
        return "CLOSED"
    if not facts.prefaced:
        return "START"
    if not facts.settings:
        return prefaced
    return "GOING_AWAY" if facts.named else "SHUTTING_DOWN" if facts.announced else "OPEN"
