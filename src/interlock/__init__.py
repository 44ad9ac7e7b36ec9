"""HTTP as interlocking state machines: sans-IO engines, and a server, clients and tools that stand on them."""
