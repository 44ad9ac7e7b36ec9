"""Clients against each other, in one run: requests a second of a small response.

    python bench/client.py [--seconds 2] [--rounds 3] [httpx|bare ...]

httpx: with its own transports, and with ours.  bare: our client, httpcore and aiohttp.  The client has one core and the
server another; it is granian, whose HTTP is written in Rust, or else our own.  Clients take turns, and the best round of
each counts.  bench/README.md tells how to read the figures.
"""

import argparse
import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
from typing import NamedTuple

from serve import HERE, INTERLOCK, PATIENCE, PEERS, cores, missing, started

import interlock.h1.connection


class Contest(NamedTuple):
    """Clients of ``client_load.py``, ours first, on one event loop; "" for threads."""

    title: str
    loop: str
    clients: dict[str, str]


H1, H2 = "HTTP/1.1", "HTTP/2"
CONTESTS = {
    "httpx": [
        Contest(f"httpx, {H1}, threads", "", {"interlock": "httpx-threads-interlock", "httpx": "httpx-threads"}),
        Contest(f"httpx, {H1}, asyncio", "asyncio", {"interlock": "httpx-asyncio-interlock", "httpx": "httpx-asyncio"}),
        Contest(f"httpx, {H2}, threads", "", {"interlock": "httpx-threads-interlock-h2", "httpx": "httpx-threads-h2"}),
        Contest(
            f"httpx, {H2}, asyncio", "asyncio", {"interlock": "httpx-asyncio-interlock-h2", "httpx": "httpx-asyncio-h2"}
        ),
    ],
    "bare": [
        Contest(f"bare, {H1}, threads", "", {"interlock": "interlock-threads", "httpcore": "httpcore-threads"}),
        Contest(
            f"bare, {H1}, asyncio",
            "asyncio",
            {"interlock": "interlock", "httpcore": "httpcore", "aiohttp": "aiohttp"},
        ),
        Contest(
            f"bare, {H1}, uvloop",
            "uvloop",
            {"interlock": "interlock", "httpcore": "httpcore", "aiohttp": "aiohttp"},
        ),
        Contest(f"bare, {H2}, asyncio", "asyncio", {"interlock": "interlock-h2", "httpcore": "httpcore-h2"}),
    ],
}
#: Requests at a time.
CONCURRENCY = (1, 20)
#: The distributions whose versions say what was measured.
DISTRIBUTIONS = ("httpx", "httpcore", "aiohttp", "h11", "h2", "uvloop")


def versions() -> str:
    installed = [name for name in DISTRIBUTIONS if importlib.util.find_spec(name)]
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in installed)


class Run(NamedTuple):
    """Requests a second, and microseconds of the client's processor for each."""

    rate: float
    used: float


def measured(client: str, loop: str, port: int, concurrency: int, pin: list[str], seconds: float) -> Run:
    """One run."""
    command = [*pin, sys.executable, f"{HERE}/client_load.py", client, str(port), str(concurrency), str(seconds)]
    path = os.pathsep.join((HERE, INTERLOCK, os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(
        [*command, loop or "none"],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE + 3 * seconds,
        env=os.environ | {"PYTHONPATH": path},
    )
    if done.returncode:
        raise RuntimeError(f"{client} failed: {done.stderr.strip().splitlines()[-1:]}")
    return Run(*map(float, done.stdout.split()))


def compare(contest: Contest, port: int, pin: list[str], options: argparse.Namespace) -> None:
    """Measure the clients of a contest and print what comes out."""
    for concurrency in CONCURRENCY:
        best: dict[str, Run] = {}
        for _ in range(options.rounds):
            for name, client in contest.clients.items():
                try:
                    run = measured(client, contest.loop, port, concurrency, pin, options.seconds)
                except RuntimeError as error:
                    print(f"  left out: {error}")
                    continue
                known = best.get(name, run)
                best[name] = Run(max(known.rate, run.rate), min(known.used, run.used))
        ours = best.get("interlock")
        for name, run in best.items():
            compared = name != "interlock" and ours
            rates = f"{ours.rate / run.rate:.2f} times" if compared else ""
            processor = f"1/{run.used / ours.used:.2f}" if compared else ""
            what = f"{contest.title:<24}{concurrency:>3} at a time  {name:<10}"
            print(f"  {what}{run.rate:>10,.0f}{rates:>13}{run.used:>10,.0f} us{processor:>9}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kinds", nargs="*", choices=[[], *CONTESTS], metavar="httpx|bare", help="default: both")
    parser.add_argument("--seconds", type=float, default=2, help="of each round (default: 2)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each client (default: 3)")
    parser.add_argument("--only", default="", help="contests whose title has this")
    options = parser.parse_args()
    compiled = not interlock.h1.connection.__file__.endswith(".py")
    server_pin, client_pin, _ = cores()
    server = next(
        (peer for peer in PEERS["asgi"] if peer.distribution == "granian" and not missing(peer)), PEERS["asgi"][0]
    )
    print(
        f"interlock {'COMPILED' if compiled else 'INTERPRETED'} ({interlock.h1.connection.__file__})\n"
        f"{platform.python_implementation()} {platform.python_version()}, {versions()}; {os.cpu_count()} cores, "
        f"load average at the start {os.getloadavg()[0]:.2f}\n"
        f"GET of 13 octets from {server.name}, {options.rounds} rounds of {options.seconds:g} s; "
        + ("client and server on a core each" if client_pin else "NOT pinned to cores: read the ratios with care")
    )
    print(f"  {'':<48}{'requests/s':>11}{'interlock is':>13}{'processor':>13}{'of it':>9}")
    for kind in options.kinds or CONTESTS:
        for contest in CONTESTS[kind]:
            if options.only not in contest.title or (
                contest.loop == "uvloop" and not importlib.util.find_spec("uvloop")
            ):
                continue
            with started(server, server_pin) as port:
                compare(contest, port, client_pin, options)


if __name__ == "__main__":
    main()
