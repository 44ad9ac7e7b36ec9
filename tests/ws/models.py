"""What RFC 6455 says of a connection seen from outside, as facts and rules about them: a second opinion on the tables.

A model keeps what has happened, not states: what is legal follows from the facts, and so do the states' names and what
each end owes, which are those of the tables.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

from tests.machine.traces import States

OTHER = {"client": "server", "server": "client"}


@dataclass(frozen=True)
class EndFacts:
    """What one end has done."""

    closed: bool = False
    #: It has found that the other broke the protocol.
    failing: bool = False
    #: It is in the midst of a message.
    within: bool = False
    #: It has ended its side of the byte stream.
    ended: bool = False


@dataclass(frozen=True)
class Facts:
    """One connection, seen from outside."""

    handshake: str = "CONNECTING"
    client: EndFacts = EndFacts()
    server: EndFacts = EndFacts()
    cut: bool = False

    @property
    def gone(self) -> bool:
        return self.cut or (self.client.ended and self.server.ended)

    def of(self, end: str) -> EndFacts:
        facts: EndFacts = getattr(self, end)
        return facts

    def is_lost(self, end: str) -> bool:
        """Whether the end will never say Close: nobody would read it (RFC 6455 §7.1.5)."""
        mine, theirs = self.of(end), self.of(OTHER[end])
        if self.handshake != "ACCEPTED" or mine.closed:
            return False
        return mine.ended or self.gone or (not mine.failing and theirs.ended and not theirs.closed)

    def after(self, event: str) -> Self | None:
        end, _, what = event.partition(".")
        if what == "Lose":  # whatever happened
            return self._without_handshake(replace(self, cut=True))
        if what in {"Accept", "Reject", "Abandon"}:
            return replace(self, handshake=f"{what.rstrip('e')}ed".upper()) if self.handshake == "CONNECTING" else None
        mine = self.of(end)
        if what == "EndOfStream":
            if mine.ended or self.gone:
                return None
            return self._without_handshake(replace(self, **{end: replace(mine, ended=True)}))
        if self.handshake != "ACCEPTED" or self.is_lost(end):
            return None
        done = self._frame(mine, what)
        return None if done is None else replace(self, **{end: done})

    def _without_handshake(self, after: Self) -> Self:
        """An answer that has not come by then never will (RFC 6455 §4.1)."""
        return replace(after, handshake="ABANDONED") if self.handshake == "CONNECTING" else after

    def _frame(self, mine: EndFacts, what: str) -> EndFacts | None:
        if what == "Fail":  # once, also after its Close (RFC 6455 §7.1.7)
            return None if mine.failing else replace(mine, failing=True)
        if mine.closed:  # nothing comes after a Close (RFC 6455 §5.5.1)
            return None
        if what == "Close":
            return replace(mine, closed=True)
        if mine.failing:
            return None
        if what in {"Ping", "Pong"}:  # also in the midst of a message (RFC 6455 §5.4)
            return mine
        begins = what in {"Message", "Message.begin"}
        ends = what in {"Message", "Message.finish"}
        return None if begins == mine.within else replace(mine, within=not ends)

    def states(self) -> States:
        return (
            self.handshake,
            self._state("client"),
            self._state("server"),
            *("WITHIN" if facts.within else "BETWEEN" for facts in (self.client, self.server)),
            self._stream(),
        )

    def _state(self, end: str) -> str:
        mine = self.of(end)
        if self.handshake != "ACCEPTED":
            return "CONNECTING"
        if self.is_lost(end):
            return "LOST"
        if mine.closed:
            return "FAILED" if mine.failing else "CLOSED"
        return "FAILING" if mine.failing else "CLOSE_DUE" if self.of(OTHER[end]).closed else "OPEN"

    def _stream(self) -> str:
        if self.gone:
            return "GONE"
        return "CLIENT_ENDED" if self.client.ended else "SERVER_ENDED" if self.server.ended else "OPEN"

    def duties(self, end: str) -> Iterator[str]:
        """What ``end`` owes."""
        mine, theirs = self.of(end), self.of(OTHER[end])
        accepted = self.handshake == "ACCEPTED"
        can_say_close = accepted and not mine.closed and not self.is_lost(end)
        they_can = accepted and not theirs.closed and not theirs.failing and not self.is_lost(OTHER[end])
        over = accepted and not can_say_close
        if they_can and not mine.failing and not self.is_lost(end):
            yield "read"
        if can_say_close and (theirs.closed or mine.failing):
            yield "send_close"
        if self.handshake == "CONNECTING":
            yield "opening_timer"
        if over and not self.gone:
            yield "closing_timer"
        if self.gone or self.handshake == "ABANDONED":
            yield "tear_down"
        if over and not mine.ended and not self.gone and self._may_end(end):
            yield "end_stream"

    def _may_end(self, end: str) -> bool:
        """RFC 6455 §7.1.1: the server ends the byte stream first, when nothing is to come; then the client does."""
        if end == "client":
            return self.server.ended
        return self.server.failing or self.is_lost("server") or self.client.closed or self.is_lost("client")


def every_fact(events: tuple[str, ...]) -> dict[States, Facts]:
    """All that ``events`` can make of the facts, by the states that they make."""
    start = Facts()
    known = {start.states(): start}
    queue = [start]
    for facts in queue:  # grows while it is walked
        for event in events:
            after = facts.after(event)
            if after is not None and after.states() not in known:
                known[after.states()] = after
                queue.append(after)
    return known
