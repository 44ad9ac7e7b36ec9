"""What is wrong, as the engines say it, to the rule that it breaks: in plain words, with the sections that have it.

An engine's error says what it met, and mostly names one section.  Here stands what nobody wants to read at run time: why
that is a rule, and where else it stands.  The rules themselves are in ``explain_rules_*.py``, one file for each protocol.
"""

import re
from typing import Final, NamedTuple

from interlock.cli.explain_rules_http1 import HTTP1
from interlock.cli.explain_rules_http2 import HTTP2
from interlock.cli.explain_rules_websocket import WEBSOCKET

__all__ = ["Rule", "rule_for", "shortened"]


class Rule(NamedTuple):
    """``text``: the rule in plain words.  ``sections``: where it stands, "RFC 9112 §6.3".

    ``kind``: "rule"; "limit" where it is a limit of ours that no RFC sets; "incomplete" where the octets end too early.
    ``fields``: the names of the fields that are about it, in lower case.
    """

    text: str
    sections: tuple[str, ...]
    kind: str = "rule"
    fields: tuple[bytes, ...] = ()


_SECTIONS: Final = re.compile(r"RFC \d+ §[\d.]*\d(?:, §[\d.]*\d)*")
_SECTION: Final = re.compile(r"§[\d.]*\d")

#: A pattern for what an engine says, and the rule.  The first that is found counts.
_RULES: Final = [
    (re.compile(pattern), Rule(" ".join(text.split()), tuple(sections), kind, fields))
    for pattern, sections, kind, fields, text in (*HTTP1, *HTTP2, *WEBSOCKET)
]


def _named(message: str) -> list[str]:
    """The sections that ``message`` names."""
    found = []
    for match in _SECTIONS.finditer(message):
        rfc = match[0].partition(" §")[0]
        found += [f"{rfc} {section}" for section in _SECTION.findall(match[0])]
    return found


#: What the sections are in that are only about another protocol.
_OTHERS: Final = {
    "HTTP/1.1": ("RFC 9113", "RFC 7541", "RFC 8441"),
    "HTTP/2": ("RFC 9112",),
    "WebSocket": ("RFC 9112", "RFC 9113"),
}


def shortened(message: str) -> str:
    """``message`` without the list of all that would have been legal."""
    return message.partition("; legal for ")[0]


def rule_for(message: str, protocol: str) -> Rule:
    """The rule that is broken where an engine of ``protocol`` says ``message``; the sections that it names come first."""
    named = _named(message)
    for pattern, rule in _RULES:
        if pattern.search(message):
            others = _OTHERS.get(protocol, ())
            further = [section for section in rule.sections if not section.startswith(others)]
            return rule._replace(sections=tuple(dict.fromkeys((*named, *further))))
    return Rule("", tuple(named))
