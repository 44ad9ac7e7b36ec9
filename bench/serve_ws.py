"""WebSocket servers against each other, in one run: echoes a second of a small message, and memory of idle connections.

    python bench/serve_ws.py [--seconds 3] [--rounds 3] [--connections 64] [--octets 100] [--idle 10000]

The same as bench/serve.py, with an ASGI application that echoes; compression is off everywhere.  The load is
bench/echo_load.py.  bench/README.md tells how to read the figures.
"""

import argparse
import contextlib
import os
import platform
import subprocess
import sys
from pathlib import Path

from serve import HERE, PATIENCE, Peer, cores, missing, started, version_of

import interlock.ws.connection

try:
    import resource
except ImportError:
    resource = None

UVICORN = "uvicorn apps:asgi --port {port} --loop uvloop --no-access-log --log-level warning --http httptools"
PEERS = [
    Peer("interlock", "interlock", "interlock serve apps:asgi --bind 127.0.0.1:{port} --websocket plain"),
    Peer(
        "uvicorn (websockets)",
        "uvicorn",
        UVICORN + " --ws websockets --ws-per-message-deflate false",
        ("uvloop", "httptools", "websockets"),
    ),
    Peer(
        "uvicorn (websockets-sansio)",
        "uvicorn",
        UVICORN + " --ws websockets-sansio --ws-per-message-deflate false",
        ("uvloop", "httptools", "websockets"),
    ),
    Peer(
        "uvicorn (wsproto)",
        "uvicorn",
        UVICORN + " --ws wsproto --ws-per-message-deflate false",
        ("uvloop", "httptools", "wsproto"),
    ),
    Peer("hypercorn (uvloop)", "hypercorn", "hypercorn apps:asgi --bind 127.0.0.1:{port} -k uvloop", ("uvloop",)),
    Peer(
        "granian (uvloop)",
        "granian",
        "granian apps:asgi --interface asgi --port {port} --loop uvloop --no-access-log --log-level warning",
        ("uvloop",),
    ),
]


def echoes(port: int, pin: list[str], options: argparse.Namespace, seconds: float) -> float:
    """One run of the load: echoes a second."""
    command = [*pin, sys.executable, f"{HERE}/echo_load.py", str(port), str(options.connections), str(seconds)]
    done = subprocess.run([*command, str(options.octets)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the load failed: {done.stderr.strip().splitlines()[-1:]}")
    return float(done.stdout)


def resident(port: int) -> int:
    """Octets of memory of whoever serves this port, workers included."""
    total = 0
    for directory in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (
                f"{port}" in (directory / "cmdline").read_text()
                and "taskset" not in (directory / "cmdline").read_text()
            ):
                pages = int((directory / "statm").read_text().split()[1])
                total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


def idle(port: int, count: int) -> str:
    """What a connection that is open and idle takes of the server's memory."""
    before = resident(port)
    command = [sys.executable, f"{HERE}/echo_load.py", str(port), "--hold", str(count)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as load:
        assert load.stdout is not None
        held = load.stdout.readline()
        if held != "held\n":
            _, why = load.communicate(timeout=PATIENCE)
            return f"did not hold {count}: {why.strip().splitlines()[-1:]}"
        # the load's own command line has the port too
        loads = int(Path(f"/proc/{load.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        after = resident(port) - loads
        load.communicate("", timeout=PATIENCE)
    return f"{(after - before) / count / 1024:.1f} KiB" if after > before else "not found"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3, help="of each round (default: 3)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each server (default: 3)")
    parser.add_argument("--connections", type=int, default=64, help="at the same time (default: 64)")
    parser.add_argument("--octets", type=int, default=100, help="of each message (default: 100)")
    parser.add_argument("--idle", type=int, default=10000, help="connections that are held; 0: none (default: 10000)")
    options = parser.parse_args()
    if resource is not None:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    compiled = not interlock.ws.connection.__file__.endswith(".py")
    server_pin, client_pin, words = cores()
    print(
        f"interlock {'COMPILED' if compiled else 'INTERPRETED'} ({interlock.ws.connection.__file__})\n"
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores, "
        f"load average at the start {os.getloadavg()[0]:.2f}\n"
        f"{options.connections} connections, messages of {options.octets} octets, "
        f"{options.rounds} rounds of {options.seconds:g} s; {words}"
    )
    peers = [peer for peer in PEERS if not missing(peer)]
    best: dict[Peer, float] = {}
    memory: dict[Peer, str] = {}
    for turn in range(options.rounds):
        for peer in list(peers):
            try:
                with started(peer, server_pin) as port:
                    echoes(port, client_pin, options, 0.5)
                    best[peer] = max(best.get(peer, 0.0), echoes(port, client_pin, options, options.seconds))
                    if not turn and options.idle and Path("/proc/self/statm").exists():
                        memory[peer] = idle(port, options.idle)
            except RuntimeError as error:
                print(f"  left out: {peer.name}: {error}")
                peers.remove(peer)
    ours = next((rate for peer, rate in best.items() if peer.name == "interlock"), 0.0)
    print(f"  {'':<40}{'echoes/s':>12}{'interlock is':>16}{f'idle, of {options.idle}':>18}")
    for peer, rate in best.items():
        ratio = f"{ours / rate:.2f} times" if rate else "-"
        print(f"  {peer.name + ' ' + version_of(peer):<40}{rate:>12,.0f}{ratio:>16}{memory.get(peer, '-'):>18}")


if __name__ == "__main__":
    main()
