"""What a field block that cannot be decoded raises (RFC 7541)."""

__all__ = ["HPACKError"]


class HPACKError(Exception):
    """A field block is not what RFC 7541 allows.  The decoder that raised it cannot go on: the tables have parted."""
