"""Clients at the level of connections: HTTP/1.1 and HTTP/2 on asyncio, trio, or blocking sockets with threads."""
