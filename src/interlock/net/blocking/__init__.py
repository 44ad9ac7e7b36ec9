"""Networking on sockets that block, and on threads."""

from interlock.net.blocking.network import BlockingNetwork

__all__ = ["BlockingNetwork"]
