"""HTTP/2, sans-IO (RFC 9113)."""
