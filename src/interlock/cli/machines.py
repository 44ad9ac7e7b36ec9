"""``interlock check`` and ``interlock draw``: the protocols' machines, proved and drawn from their tables."""

import difflib
import shutil
import subprocess
import time
from collections.abc import Collection
from typing import IO, Final

import click

from interlock.h1 import tables as h1
from interlock.h2 import tables as h2
from interlock.machine import Failure, Property, Report, System, dot, mermaid
from interlock.machine import check as decide
from interlock.ws import tables as ws

__all__ = ["PROTOCOLS", "check", "draw"]

#: Every protocol that is written as tables: its name, its system, and what must hold for it.
PROTOCOLS: Final[dict[str, tuple[System, tuple[Property, ...]]]] = {
    "h1": (h1.SYSTEM, h1.PROPERTIES),
    "h2": (h2.STREAM, h2.STREAM_PROPERTIES),
    "h2-connection": (h2.CONNECTION, h2.CONNECTION_PROPERTIES),
    "ws": (ws.SYSTEM, ws.PROPERTIES),
}


def _drawings() -> list[str]:
    """What can be drawn: each protocol as a whole, and each of its machines."""
    return [*PROTOCOLS, *(f"{p}.{m.name}" for p, (system, _) in PROTOCOLS.items() for m in system.machines)]


@click.command(short_help="Decide the properties of the protocols' machines.")
@click.argument("protocols", metavar="[PROTOCOL]...", nargs=-1)
@click.option("-q", "--quiet", is_flag=True, help="Print only what fails, and the summary.")
def check(protocols: tuple[str, ...], quiet: bool) -> None:
    """Decide every property of the protocols' machines, over all their reachable joint states.

    Without PROTOCOL, checks them all.  A property that fails is printed with the shortest sequence of events that
    leads to the failure, and the exit status is 1.
    """
    for name in protocols:
        _known(name, PROTOCOLS, "protocol", "PROTOCOL")
    decided = 0
    failed = 0
    for name in dict.fromkeys(protocols or PROTOCOLS):
        system, properties = PROTOCOLS[name]
        report = decide(system, properties)
        decided += len(report.results)
        failed += len(report.failures)
        if not quiet:
            click.echo(f"{name}: {_figures(report)}")
        for title, failure in report.results:
            if failure is not None:
                click.echo(f"  {click.style('FAIL', fg='red')}  {name}: {title}")
                click.echo(_explained(failure))
            elif not quiet:
                click.echo(f"  {click.style('ok', fg='green')}    {title}")
    if failed:
        click.echo(f"{failed} of {decided} properties fail")
        click.get_current_context().exit(1)
    click.echo(f"all {decided} properties hold")


def _figures(report: Report) -> str:
    """The figures of a report on one line, with the time that it takes to compile the system (in milliseconds)."""
    system = report.system
    start = time.perf_counter()
    System(system.name, system.machines, system.couplings, system.sees)
    elapsed = time.perf_counter() - start
    figures = ", ".join(f"{number} {what}" for what, number in report.figures.items())
    return f"{figures}; compiled in {elapsed * 1000:.1f} ms"


def _explained(failure: Failure) -> str:
    return f"        {failure.reason}\n        events: {' '.join(failure.trace) or 'none'}"


@click.command(short_help="Draw a protocol's machines.", epilog=f"NAME is one of: {', '.join(_drawings())}.")
@click.argument("name")
@click.option(
    "--format",
    "form",
    type=click.Choice(["mermaid", "dot", "svg"]),
    default="mermaid",
    show_default=True,
    help="Mermaid and DOT are text and need nothing; SVG needs Graphviz.",
)
@click.option(
    "-o",
    "--output",
    type=click.File("w", encoding="utf-8", lazy=True),
    default="-",
    help="The file to write.  [default: standard output]",
)
def draw(name: str, form: str, output: IO[str]) -> None:
    """Draw a protocol's machines from their tables: all of them (h1), or one (h1.client).

    Solid arrows are triggered by events, dashed ones by the joint state of several machines.
    """
    _known(name, _drawings(), "machine", "NAME")
    protocol, _, machine = name.partition(".")
    system, _ = PROTOCOLS[protocol]
    drawing = mermaid(system, machine or None) if form == "mermaid" else dot(system, machine or None)
    if form == "svg":
        drawing = _svg(drawing)
    try:
        output.write(drawing)  # opens the file: nothing is emptied for a drawing that could not be made
        output.flush()
    except BrokenPipeError:
        raise  # who reads has seen enough
    except OSError as error:
        raise click.ClickException(f"cannot write the drawing: {error.strerror}") from None


def _known(name: str, names: Collection[str], kind: str, argument: str) -> None:
    if name in names:
        return
    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    raise click.BadParameter(f"no {kind} {name!r}.{hint} Known: {', '.join(names)}.", param_hint=argument)


def _svg(text: str) -> str:
    """The drawing that Graphviz makes of the DOT ``text``."""
    program = shutil.which("dot")
    if program is None:
        raise click.ClickException(
            "SVG is made by Graphviz, and its command 'dot' was not found: install graphviz "
            "(https://graphviz.org/download/), or use --format mermaid or --format dot."
        )
    made = subprocess.run([program, "-Tsvg"], input=text, capture_output=True, check=False, encoding="utf-8")
    if made.returncode:
        raise click.ClickException(f"Graphviz failed: {made.stderr.strip()}")
    return made.stdout
