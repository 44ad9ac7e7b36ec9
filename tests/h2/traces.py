"""Reading traces.md: conversations that the tables of HTTP/2 must conform to, event by event."""

from pathlib import Path

from tests.machine import traces
from tests.machine.traces import Trace

from interlock.machine import System

#: What one word stands for in the last two columns.
SHORT = {
    "open": ("Request", "Request.end", "Request.connect", "Promise"),
    "Response": ("Response", "Response.end"),
    "Frame": ("Frame", "BlockBegin"),
    "Continuation": ("Continuation", "ContinuationEnd"),
    "nothing": (),
}


def read_traces(system: System, part: str, first: str, second: str, always: str) -> list[Trace]:
    """The conversations below the heading ``part``.

    The last two columns say what the ends ``first`` and ``second`` may do, but for ``always``, which either may.
    """

    def written_out(first_may: str, second_may: str) -> frozenset[str]:
        return frozenset(
            f"{end}.{event}"
            for end, cell in ((first, first_may), (second, second_may))
            for word in (*cell.split(", "), always)
            for event in SHORT.get(word, (word,))
        )

    text = Path(__file__).with_name("traces.md").read_text(encoding="utf-8")
    section = text.partition(f"\n# {part}\n")[2].partition("\n# ")[0]
    return traces.read_traces(section, len(system.machines), written_out)
