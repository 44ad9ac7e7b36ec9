"""HPACK, the compression of HTTP/2's field sections (RFC 7541).

A :class:`Decoder` and an :class:`Encoder` hold one direction's dynamic table each, for the life of a connection.  Nothing
here knows frames, or what a field means.
"""

from interlock.h2.hpack.decoder import Decoder
from interlock.h2.hpack.encoder import Encoder
from interlock.h2.hpack.errors import HPACKError

__all__ = ["Decoder", "Encoder", "HPACKError"]
