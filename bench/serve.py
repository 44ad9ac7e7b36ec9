"""Servers against each other, in one run: requests a second of a small response.

    python bench/serve.py [--seconds 3] [--rounds 3] [--connections 64] [asgi|wsgi|h2 ...]

The server under test has one core and the load the other: wrk, or for HTTP/2 h2load with 8 connections of 32 streams.
Servers take turns, and the best round of each counts.  Peers that are not installed are named and left out.
bench/README.md tells how to read the figures.
"""

import argparse
import contextlib
import http.client
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from apps import CONTENT

HERE = str(Path(__file__).resolve().parent)
try:
    import interlock.h1.connection
except ImportError:
    sys.exit("interlock is not installed: pip install .  (or, interpreted and from the sources: PYTHONPATH=src)")
#: Where the servers find interlock, wherever they are started.
INTERLOCK = str(Path(interlock.__file__).resolve().parent.parent)
#: How long a server may take to answer for the first time, or to end, in seconds.
PATIENCE = 20
#: Threads of a WSGI server that runs applications in threads.
THREADS = "8"


class Peer(NamedTuple):
    """A server: its distribution, and its command line behind ``python -m``, with {port} in it."""

    name: str
    distribution: str
    arguments: str
    needs: tuple[str, ...] = ()


PEERS = {
    "asgi": [
        Peer("interlock", "interlock", "interlock serve apps:asgi --bind 127.0.0.1:{port}"),
        Peer(
            "uvicorn (httptools, uvloop)",
            "uvicorn",
            "uvicorn apps:asgi --port {port} --http httptools --loop uvloop --no-access-log --log-level warning",
            ("httptools", "uvloop"),
        ),
        Peer("hypercorn (uvloop)", "hypercorn", "hypercorn apps:asgi --bind 127.0.0.1:{port} -k uvloop", ("uvloop",)),
        Peer(
            "granian (uvloop)",
            "granian",
            "granian apps:asgi --interface asgi --port {port} --loop uvloop --no-access-log --log-level warning",
            ("uvloop",),
        ),
    ],
    "wsgi": [
        Peer("interlock", "interlock", f"interlock serve apps:wsgi --bind 127.0.0.1:{{port}} --threads {THREADS}"),
        Peer(
            "gunicorn (gthread)",
            "gunicorn",
            f"gunicorn apps:wsgi --bind 127.0.0.1:{{port}} -k gthread --threads {THREADS} --log-level warning",
        ),
        Peer("waitress", "waitress", f"waitress --listen 127.0.0.1:{{port}} --threads {THREADS} apps:wsgi"),
        Peer(
            "granian",
            "granian",
            "granian apps:wsgi --interface wsgi --port {port} --no-access-log --log-level warning",
        ),
    ],
    "h2": [
        Peer("interlock", "interlock", "interlock serve apps:asgi --bind 127.0.0.1:{port}"),
        Peer(
            "hypercorn (uvloop)",
            "hypercorn",
            # its limit of requests on a connection is lifted there
            "hypercorn apps:asgi --bind 127.0.0.1:{port} -k uvloop -c hypercorn.toml",
            ("uvloop", "h2"),
        ),
        Peer(
            "granian (uvloop)",
            "granian",
            "granian apps:asgi --interface asgi --port {port} --loop uvloop --no-access-log --log-level warning",
            ("uvloop",),
        ),
    ],
}

#: The programs that make the load, and the system's packages that they come from.
PROGRAMS = {"asgi": ("wrk", "wrk"), "wsgi": ("wrk", "wrk"), "h2": ("h2load", "nghttp2-client")}


class Run(NamedTuple):
    """What wrk said: requests a second, and what went wrong, "" if nothing did."""

    rate: float
    wrong: str


def cores() -> tuple[list[str], list[str], str]:
    """What keeps the server on its core and the load on another: two prefixes of a command, and words for it."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(usable) < 2 or not shutil.which("taskset"):
        return [], [], "NOT pinned to cores (no taskset, or one core only): read the ratios with care"
    server, client = usable[0], usable[1]
    pin = ["taskset", "--cpu-list"]
    return [*pin, str(server)], [*pin, str(client)], f"servers on core {server}, the load on core {client}"


def missing(peer: Peer) -> str:
    """What has to be installed for ``peer``, "" if nothing."""
    return ", ".join(name for name in (peer.distribution, *peer.needs) if not importlib.util.find_spec(name))


def version_of(peer: Peer) -> str:
    """The version of a server, "" where it runs from its sources."""
    try:
        return importlib.metadata.version(peer.distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    """Whether the right response comes from this port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read() == CONTENT
    except OSError:
        return False
    finally:
        connection.close()


@contextlib.contextmanager
def started(peer: Peer, pin: list[str]) -> Iterator[int]:
    """Run a server, with what it prints kept in a file, and give the port that it answers on."""
    port = free_port()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*pin, sys.executable, "-m", *peer.arguments.format(port=port).split()],
            cwd=HERE,
            env=os.environ | {"PYTHONPATH": os.pathsep.join((HERE, INTERLOCK, os.environ.get("PYTHONPATH", "")))},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + PATIENCE
            while not answers(port):
                if process.poll() is not None or time.monotonic() > deadline:
                    output.seek(0)
                    raise RuntimeError(f"{peer.name} does not answer:\n{output.read().decode(errors='replace')}")
                time.sleep(0.05)
            yield port
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def load(interface: str, port: int, pin: list[str], connections: int, seconds: int) -> Run:
    """One run of what makes the load."""
    if interface == "h2":
        return load_h2(port, pin, seconds)
    command = [*pin, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", f"http://127.0.0.1:{port}/"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"Requests/sec:\s*([0-9.]+)", said)
    wrong = [line.strip() for line in said.splitlines() if "Non-2xx" in line or "Socket errors" in line]
    return Run(float(rate[1]) if rate else 0.0, "; ".join(wrong))


def load_h2(port: int, pin: list[str], seconds: int) -> Run:
    """One run of h2load."""
    command = [*pin, "h2load", "-t1", "-c8", "-m32", f"-D{seconds}", f"http://127.0.0.1:{port}/"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"finished in [^,]+, ([0-9.]+) req/s", said)
    counts = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", said)
    bad = re.search(r"status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", said)
    wrong = [found[0] for found in (counts, bad) if found is None or any(int(number) for number in found.groups())]
    return Run(float(rate[1]) if rate else 0.0, "; ".join(wrong))


def compare(interface: str, options: argparse.Namespace) -> None:
    """Measure all peers of an interface and print what comes out."""
    server_pin, client_pin, words = cores()
    connections = "8 connections of 32 streams" if interface == "h2" else f"{options.connections} connections"
    print(f"\n{interface.upper()}: {connections}, {options.rounds} rounds of {options.seconds} s; {words}")
    best: dict[Peer, Run] = {}
    peers = []
    for peer in PEERS[interface]:
        if lacking := missing(peer):
            print(f"  left out: {peer.name} ({lacking} not installed)")
        else:
            peers.append(peer)
    wrong: dict[Peer, str] = {}
    for _ in range(options.rounds):
        for peer in list(peers):
            try:
                with started(peer, server_pin) as port:
                    load(interface, port, client_pin, options.connections, 1)
                    run = load(interface, port, client_pin, options.connections, options.seconds)
            except RuntimeError as error:
                print(f"  left out: {error}")
                peers.remove(peer)
                continue
            if run.wrong:
                wrong[peer] = run.wrong
            if peer not in best or run.rate > best[peer].rate:
                best[peer] = run
    ours = next((run.rate for peer, run in best.items() if peer.name == "interlock"), 0.0)
    print(f"  {'':<40}{'requests/s':>12}{'interlock is':>16}")
    for peer, run in best.items():
        ratio = f"{ours / run.rate:.2f} times" if run.rate and ours else "-"
        version = version_of(peer)
        print(f"  {peer.name + ' ' + version:<40}{run.rate:>12,.0f}{ratio:>16}")
    for peer, what in wrong.items():
        print(f"  NOT COMPARABLE, {peer.name}: {what}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("interfaces", nargs="*", choices=[[], *PEERS], metavar="asgi|wsgi|h2", help="default: all")
    parser.add_argument("--seconds", type=int, default=3, help="of each round (default: 3)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server (default: 3)")
    parser.add_argument("--connections", type=int, default=64, help="of wrk (default: 64)")
    options = parser.parse_args()
    for interface in options.interfaces or PEERS:
        program, package = PROGRAMS[interface]
        if not shutil.which(program):
            sys.exit(f"{program} is not installed: it comes from the system's packages (apt install {package})")
    compiled = not interlock.h1.connection.__file__.endswith(".py")
    print(f"interlock {'COMPILED' if compiled else 'INTERPRETED'} ({interlock.h1.connection.__file__})")
    print(f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
          f"load average at the start {os.getloadavg()[0]:.2f}")  # fmt: skip
    for interface in options.interfaces or PEERS:
        compare(interface, options)


if __name__ == "__main__":
    main()
