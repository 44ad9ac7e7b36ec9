"""Steps and problems as text for people: one line for what happened, and below it what it says and what it moved.

Octets are shown so that each can be told: CR, LF and all that is not printable as escapes.  Values that are secrets are
hidden unless they are asked for.
"""

from typing import Final

from interlock.cli.explain_steps import Moved, Problem, Step
from interlock.cli.ws_text import escaped, preview

__all__ = ["SECRET", "lines_of_problem", "lines_of_step", "masked", "octets_told", "shown_value", "visible"]

#: Fields whose values are not shown unless that is asked for.
SECRET: Final = frozenset((b"authorization", b"proxy-authorization", b"cookie", b"set-cookie"))

_INDENT: Final = "    "
#: The columns of a machine's name, and of its transition.
_NAME: Final = 16
_TRANSITION: Final = 42
#: Columns of text, and octets in a line of hexadecimal.
_WIDTH: Final = 100
_ROW: Final = 16
#: Octets of a line that are shown on either side of the one that is pointed at.
_ASIDE: Final = 60


def _octet(octet: int) -> str:
    if octet == 0x0D:
        return "\\r"
    if octet == 0x0A:
        return "\\n"
    if octet == 0x09:
        return "\\t"
    if octet == 0x5C:
        return "\\\\"
    return chr(octet) if 0x20 <= octet < 0x7F else f"\\x{octet:02x}"


_VISIBLE: Final = [_octet(octet) for octet in range(0x100)]


def visible(octets: bytes) -> str:
    """``octets`` on one line, each to be told from all others."""
    return "".join([_VISIBLE[octet] for octet in octets])


def masked(line: bytes) -> bytes:
    """A line as it may be shown: if it is a field that is a secret, with the octets of its value replaced by stars."""
    name, colon, value = line.partition(b":")
    if not colon or name.strip(b" \t").lower() not in SECRET:
        return line
    return name + colon + bytes(0x2A if 0x21 <= octet < 0x7F else octet for octet in value)


def shown_value(name: bytes, value: bytes, *, secrets: bool) -> str:
    """A field's value as it may be shown."""
    if not secrets and name.lower() in SECRET:
        return f"<hidden, {len(value)} octets>"
    return visible(value)


def octets_told(begin: int, end: int) -> str:
    """The place of octets: ``0-17``, ``17`` for one, ``at 18`` for none."""
    if begin < 0:
        return ""
    if end <= begin:
        return f"at {begin}"
    return f"{begin}-{end - 1}" if end > begin + 1 else f"{begin}"


def _head(sender: str, place: str, what: str, told: str, connection: int) -> str:
    number = f"[{connection}] " if connection else ""
    return f"{number}{sender or 'both':<7}{place:<14}{what:<22}{told}".rstrip()


def lines_of_step(step: Step, *, secrets: bool) -> list[str]:
    """A step: what happened, the fields it has, and every machine that it moved."""
    place = "(supposed)" if step.supposed else octets_told(step.begin, step.end)
    what = f"{step.event} ({step.stream})" if step.stream else step.event
    told = escaped(step.summary)
    if step.content >= 0:
        told = f"{told}: {_content(step)}" if told else _content(step)
    lines = [_head(step.sender, place, what, told, step.connection)]
    lines += [
        f"{_INDENT}{visible(name)}: {shown_value(name, value, secrets=secrets)}".rstrip() for name, value in step.fields
    ]
    for note in step.notes:
        lines += _wrapped(f"note: {escaped(note)}")
    return lines + _moved(step.moves)


def _content(step: Step) -> str:
    size = f"{step.content} octet{'' if step.content == 1 else 's'}"
    _, colon, shown = preview(step.shown).partition(":")
    return f"{size}{colon}{shown}{' ...' if colon and step.content > len(step.shown) else ''}"


def _moved(moves: list[Moved]) -> list[str]:
    """The machines that moved: from where to where, and by what."""
    lines = []
    for moved in moves:
        move = moved.move
        cause = f"forced: {move.cause}" if move.forced else move.cause
        why = f"{cause} ({move.rfc})" if move.rfc else cause
        lines.append(f"{_INDENT}* {moved.machine:<{_NAME}} {f'{move.before} -> {move.after}':<{_TRANSITION}} {why}")
    return lines


def lines_of_problem(problem: Problem, *, secrets: bool) -> list[str]:
    """A problem: what is wrong, the octets with a caret below the one where it is noticed, the rule and its sections."""
    what = {"limit": "LIMIT", "incomplete": "INCOMPLETE"}.get(problem.rule.kind, "ERROR")
    stream = f" ({problem.stream})" if problem.stream else ""
    lines = [
        _head(problem.sender, f"at {problem.at}", what + stream, escaped(problem.message), problem.connection),
    ]
    if problem.unit:
        lines.append(f"{_INDENT}in {problem.unit}, from octet {problem.begin}")
    lines += _pointed(problem, secrets=secrets)
    if problem.rule.text:
        lines += _wrapped(f"rule: {problem.rule.text}")
    lines.append(f"{_INDENT}see:  {', '.join(problem.rule.sections)}")
    lines += _wrapped(f"then: {problem.consequence}")
    if problem.unread:
        lines.append(f"{_INDENT}      what follows ({problem.unread} octets are there) is not read")
    return lines + _moved(problem.moves)


def _pointed(problem: Problem, *, secrets: bool) -> list[str]:
    """The octets of a problem, by lines, each with its place, and a caret."""
    if problem.binary:
        return _hexadecimal(problem)
    places = [(place, line) for place, line in problem.evidence if place < problem.octets_at]
    place = problem.octets_at
    end = problem.octets_at + len(problem.octets)
    for line in problem.octets.split(b"\n"):
        whole = line if place + len(line) >= end else line + b"\n"
        if whole or problem.at == place:
            places.append((place, whole))
        place += len(whole)
    width = len(str(places[-1][0])) if places else 0
    lines = []
    for place, line in places:
        octets = line if secrets else masked(line)
        here = place <= problem.at < place + len(line) or (problem.at == place + len(line) and place + len(line) == end)
        begin, end_of = problem.culprit or (-1, -1)
        blamed = place <= begin < place + len(line)
        left, text, column = _cut(octets, problem.at - place if here else begin - place if blamed else -1)
        lines.append(f"{_INDENT}{place + left:>{width}}  {text}".rstrip())
        if blamed and begin - place >= left:
            skipped = text.startswith("... ") and left > 0
            before = len(visible(octets[left : begin - place])) + 4 * skipped
            marks = "~" * len(visible(octets[begin - place : end_of - place]))
            lines.append(f"{_INDENT}{'':>{width}}  {'':>{before}}{marks}")
        if here:
            lines.append(f"{_INDENT}{'':>{width}}  {'':>{column}}^ octet {problem.at}")
    return lines


def _cut(octets: bytes, at: int) -> tuple[int, str, int]:
    """What of a line is shown: how many octets are left out, the text, and the column of the octet ``at`` in it."""
    begin = max(0, at - _ASIDE)
    end = max(begin, at) + _ASIDE
    text = visible(octets[begin:end])
    column = len(visible(octets[begin : max(at, begin)]))
    more = " ..." if end < len(octets) else ""
    if begin:
        return begin, f"... {text}{more}", column + 4
    return begin, text + more, column


def _hexadecimal(problem: Problem) -> list[str]:
    """The octets of a problem in rows of hexadecimal, and a caret below the row in question."""
    lines = []
    width = len(str(problem.octets_at + len(problem.octets)))
    for start in range(0, len(problem.octets), _ROW):
        row = problem.octets[start : start + _ROW]
        place = problem.octets_at + start
        text = "".join(chr(octet) if 0x20 <= octet < 0x7F else "." for octet in row)
        lines.append(f"{_INDENT}{place:>{width}}  {row.hex(' '):<{3 * _ROW}} |{text}|")
        if place <= problem.at < place + len(row):
            lines.append(f"{_INDENT}{'':>{width}}  {'':>{3 * (problem.at - place)}}^^ octet {problem.at}")
    return lines


def _wrapped(text: str) -> list[str]:
    """A paragraph in lines of at most so many columns; what goes on is indented further."""
    lines = [_INDENT]
    for word in text.split(" "):
        if len(lines[-1]) + 1 + len(word) > _WIDTH and lines[-1].strip():
            lines.append(_INDENT + "      ")
        lines[-1] += word if lines[-1].isspace() else f" {word}"
    return lines
