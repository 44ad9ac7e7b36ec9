"""The ``interlock`` command."""

import click

from interlock.cli.explain import explain
from interlock.cli.machines import check, draw
from interlock.cli.serve import serve
from interlock.cli.ws import ws

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="interlock")
def main() -> None:
    """HTTP as interlocking state machines: a server for WSGI and ASGI, a client for WebSocket, what octets do explained, and the machines behind it all."""


main.add_command(serve)
main.add_command(check)
main.add_command(draw)
main.add_command(ws)
main.add_command(explain)
