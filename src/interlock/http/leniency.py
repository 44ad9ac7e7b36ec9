"""What may be let pass, against the rules: named flags, each with the hole that it reopens.

Servers take only :attr:`Leniency.obs_text_in_target`; :attr:`Leniency.missing_host` is for who reads a request without
serving it; the others are for clients that have to talk to a broken server.
"""

from dataclasses import dataclass
from typing import Final

__all__ = ["STRICT", "Leniency"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leniency:
    """All flags are off unless told."""

    #: Let octets from 0x80 stand in a request target.  The hole: whoever decodes them differently, in front of us or
    #: behind, sees another target than we do, and other access rules apply to it.
    obs_text_in_target: bool = False
    #: Let a request of HTTP/1.1 have no Host (RFC 9112 §3.2).  The hole: whoever serves it has to guess whose it is, and
    #: may guess otherwise than whoever decided that it may pass.
    missing_host: bool = False
    #: Client: take obsolete line folding in a response for SP (RFC 9112 §5.2).  The hole: an intermediary that sees a
    #: field where we see the rest of a value can be made to see other framing than we do.
    obs_fold: bool = False
    #: Client: take repeated or listed Content-Length values for one if they are identical (RFC 9110 §8.6).  The hole:
    #: whoever takes the first or the last, or refuses the message, disagrees with us on where it ends.
    repeated_content_length: bool = False


STRICT: Final = Leniency()
