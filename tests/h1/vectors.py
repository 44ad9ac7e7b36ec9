"""The reader of ``tests/vectors/*.md``: Markdown in, :class:`Vector` out.  The format is told in tests/vectors/README.md.

It knows the notation and nothing of the engine: what is expected comes out as plain tuples, and the runner makes the
same tuples from what the engine gave.
"""

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["VECTORS", "Vector", "VectorError", "octets_of", "read_vectors"]

VECTORS = Path(__file__).resolve().parents[1] / "vectors"

#: What stands before the first ``##`` of a file counts for all its vectors; these stand at most once in a vector.
_SINGLE = ("role", "rfc", "limits", "eof", "flags", "request", "answer")
#: These can be repeated.
_REPEATED = ("security", "request-field")

_META = re.compile(r"([a-z-]+): ?(.*)")
_PIECE = re.compile(r"\{((?:[^\\{}]|\\.)*)\*([0-9]+)\}|\\(x[0-9A-Fa-f]{2}|[rnt\\\"])|([^\\{}])", re.DOTALL)
_ESCAPES = {"r": b"\r", "n": b"\n", "t": b"\t", "\\": b"\\", '"': b'"'}

#: One line of an ``events`` block, as (what, values...).
Expected = tuple[object, ...]


class VectorError(Exception):
    """A vector file does not follow the format; the message says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vector:
    """One heading: the octets, how they are fed, and what has to come out."""

    file: str
    line: int
    heading: str
    role: str
    rfc: str
    security: tuple[str, ...]
    limits: dict[str, int]
    eof: bool
    flags: tuple[str, ...]
    request: str
    request_fields: tuple[tuple[str, str], ...]
    answer: str
    octets: bytes
    expected: tuple[Expected, ...]

    @property
    def name(self) -> str:
        """What the test is called."""
        return f"{self.file}:{self.line}: {self.heading}"


def octets_of(text: str) -> bytes:
    """The octets that ``text`` stands for: escapes and ``{text*times}`` resolved, the rest as UTF-8."""
    octets = bytearray()
    at = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise VectorError(f"neither an escape nor a repetition: {text[at : at + 20]!r}")
        repeated, times, escape, plain = piece.groups()
        if plain is not None:
            octets += plain.encode()
        elif escape is None:
            octets += octets_of(repeated) * int(times)
        elif escape[0] == "x":
            octets.append(int(escape[1:], 16))
        else:
            octets += _ESCAPES[escape]
        at = piece.end()
    return bytes(octets)


def read_vectors(folder: str) -> list[Vector]:
    """All vectors of ``tests/vectors/<folder>``, in the order of the files' names."""
    return [vector for path in sorted((VECTORS / folder).glob("*.md")) for vector in read_file(path)]


def read_file(path: Path) -> list[Vector]:
    """The vectors of one file."""
    vectors: list[Vector] = []
    defaults: dict[str, list[str]] = {}
    heading, heading_line = "", 0
    meta: dict[str, list[str]] = defaults
    blocks: dict[str, list[str]] = {}
    lines = iter(enumerate(path.read_text(encoding="utf-8").split("\n"), 1))
    try:
        for number, line in lines:
            if line.startswith("## "):
                if heading:
                    vectors.append(_vector(path.name, heading_line, heading, defaults, meta, blocks))
                heading, heading_line, meta, blocks = line[3:].strip(), number, {}, {}
            elif line in ("```http", "```events"):
                kind = line[3:]
                if not heading or kind in blocks:
                    raise VectorError(f"line {number}: a second {kind} block, or one without a heading")
                blocks[kind] = []
                for _, inside in lines:
                    if inside == "```":
                        break
                    blocks[kind].append(inside)
            elif (match := _META.fullmatch(line)) and not blocks:
                key, value = match.groups()
                if key not in _SINGLE and key not in _REPEATED:
                    raise VectorError(f"line {number}: no such key: {key}")
                if key in meta and key in _SINGLE:
                    raise VectorError(f"line {number}: {key} stands twice")
                meta.setdefault(key, []).append(value)
        if heading:
            vectors.append(_vector(path.name, heading_line, heading, defaults, meta, blocks))
    except VectorError as error:
        raise VectorError(f"{path.name}, vector at line {heading_line} ({heading}): {error}") from None
    return vectors


def _vector(
    file: str,
    line: int,
    heading: str,
    defaults: dict[str, list[str]],
    meta: dict[str, list[str]],
    blocks: dict[str, list[str]],
) -> Vector:
    if set(blocks) != {"http", "events"}:
        raise VectorError("needs one http block and one events block")
    values = {**defaults, **meta}

    def single(key: str, default: str) -> str:
        return values.get(key, [default])[0]

    octets = b"".join(
        octets_of(line[:-1]) if _continues(line) else octets_of(line) + b"\r\n" for line in blocks["http"]
    )
    return Vector(
        file=file,
        line=line,
        heading=heading,
        role=single("role", "server"),
        rfc=single("rfc", ""),
        security=tuple(values.get("security", [])),
        limits={key: int(value) for key, _, value in (item.partition("=") for item in single("limits", "").split())},
        eof=single("eof", "no") == "yes",
        flags=tuple(single("flags", "").split()),
        request=single("request", "GET /"),
        request_fields=tuple(
            (name, value) for name, _, value in (f.partition(": ") for f in values.get("request-field", []))
        ),
        answer=single("answer", "404"),
        octets=octets,
        expected=tuple(_expected(line) for line in blocks["events"] if line),
    )


def _continues(line: str) -> bool:
    """Whether the line ends in a backslash that is not itself escaped: then it stands for no CRLF."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _expected(line: str) -> Expected:
    what, _, rest = line.partition(" ")
    if what == "Request":
        method, target, version = rest.split(" ")
        return (what, octets_of(method), octets_of(target), octets_of(version))
    if what in ("Response", "InformationalResponse"):
        status, version, *reason = rest.split(" ", 2)
        return (what, int(status), octets_of(version), octets_of(reason[0]) if reason else b"")
    if what in ("field", "trailer"):
        name, colon, value = rest.partition(":")
        if not colon:
            raise VectorError(f"no colon in {line!r}")
        return (what, octets_of(name), octets_of(value.removeprefix(" ")))
    if what == "Data" and rest == "*":
        return (what, None)
    if what in ("Data", "trailing") and len(rest) >= 2 and rest[0] == rest[-1] == '"':
        return (what, octets_of(rest[1:-1]))
    if what == "error":
        status, _, pattern = rest.partition(" ")
        return (what, status, pattern)
    if what == "their_state" and rest:
        return (what, rest)
    if line in ("EndOfMessage", "ConnectionClosed", "PAUSED", "NEED_DATA", "waiting for 100-continue"):
        return (line,)
    raise VectorError(f"no such event: {line!r}")
