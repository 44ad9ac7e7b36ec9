"""The WebSocket engine's echo of a message, octets in and octets out, against wsproto and websockets, in one run.

    python bench/engine_ws.py [--rounds 7] [--seconds 0.2]

All are servers whose handshake is done, without compression, and get the same frames of a client; they take turns, and
the best of all rounds counts.  Also prints how fast a payload is unmasked, beside copying it.  bench/README.md tells how
to read the figures.
"""

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable

try:
    import websockets.version
    import wsproto
    from websockets.protocol import OPEN
    from websockets.server import ServerProtocol
    from wsproto.connection import Connection as WsprotoConnection
    from wsproto.connection import ConnectionType
    from wsproto.events import BytesMessage, TextMessage
except ImportError:
    sys.exit("wsproto and websockets are not both installed: pip install --group bench")
try:
    import interlock.ws.connection
    from interlock import ws
    from interlock.ws.masking import masked
except ImportError:
    sys.exit("interlock is not installed: pip install .  (or, interpreted and from the sources: PYTHONPATH=src)")

Run = Callable[[int], bytes]

CASES: dict[str, str | bytes] = {
    "text, 100 octets": "x" * 100,
    "binary, 100 octets": b"x" * 100,
    "text, 16 KiB": "x" * 16384,
    "binary, 1 MiB": bytes(1048576),
}


def clients_frame(message: str | bytes) -> bytes:
    """A message as a client sends it."""
    client = ws.Connection(ws.CLIENT)
    client.start()
    return client.send(ws.Message(message))


def with_interlock(octets: bytes) -> Run:
    def run(count: int) -> bytes:
        server = ws.Connection(ws.SERVER)
        server.start()
        sent = b""
        for _ in range(count):
            server.receive_data(octets)
            while (event := server.next_event()) is not ws.NEED_DATA:
                sent = server.send(ws.Message(event.data))
        return sent

    return run


def with_wsproto(octets: bytes) -> Run:
    def run(count: int) -> bytes:
        server = WsprotoConnection(ConnectionType.SERVER)
        sent = b""
        for _ in range(count):
            server.receive_data(octets)
            for event in server.events():
                answer = TextMessage if isinstance(event, TextMessage) else BytesMessage
                sent = server.send(answer(data=event.data))
        return sent

    return run


def with_websockets(octets: bytes) -> Run:
    def run(count: int) -> bytes:
        server = ServerProtocol(state=OPEN, max_size=None)
        sent = b""
        for _ in range(count):
            server.receive_data(octets)
            for frame in server.events_received():
                (server.send_text if frame.opcode == 1 else server.send_binary)(frame.data)
            sent = b"".join(server.data_to_send())
        return sent

    return run


def microseconds(run: Run, count: int) -> float:
    """How long one of ``count`` echoes takes."""
    start = time.perf_counter()
    run(count)
    return (time.perf_counter() - start) / count * 1e6


def best_of(runs: list[Run], rounds: int, seconds: float) -> list[float]:
    """The best round of each, in microseconds for one echo."""
    counts = [max(1, int(seconds * 1e6 / microseconds(run, 3))) for run in runs]
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for i, run in enumerate(runs):
            best[i] = min(best[i], microseconds(run, counts[i]))
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help="turns of each engine for each message (default: 7)")
    parser.add_argument("--seconds", type=float, default=0.2, help="of each turn (default: 0.2)")
    options = parser.parse_args()
    compiled = not interlock.ws.connection.__file__.endswith(".py")
    print(
        f"interlock {'COMPILED' if compiled else 'INTERPRETED'} ({interlock.ws.connection.__file__})\n"
        f"wsproto {wsproto.__version__}, websockets {websockets.version.version} (its masking in C), "
        f"{platform.python_implementation()} {platform.python_version()}; "
        f"best of {options.rounds} rounds of {options.seconds:g} s\n"
    )
    print(
        f"{'echo of a message':<24}{'interlock µs':>14}{'wsproto µs':>12}{'times':>8}{'websockets µs':>16}{'times':>8}"
    )
    for name, message in CASES.items():
        octets = clients_frame(message)
        runs = [with_interlock(octets), with_wsproto(octets), with_websockets(octets)]
        assert len({run(1) for run in runs}) == 1, "the engines do not answer the same"
        ours, first, second = best_of(runs, options.rounds, options.seconds)
        print(
            f"{name:<24}{ours:>14.1f}{first:>12.1f}{first / ours:>8.1f}{second:>16.1f}{second / ours:>8.1f}", flush=True
        )

    payload, key = os.urandom(1048576), os.urandom(4)

    def unmask(count: int) -> bytes:
        for _ in range(count):
            masked(payload, key)
        return b""

    def copy(count: int) -> bytes:
        for _ in range(count):
            bytes(bytearray(payload))
        return b""

    unmasking, copying = best_of([unmask, copy], options.rounds, options.seconds)
    print(
        f"\n1 MiB: unmasked at {1048.576 / unmasking:.1f} GB/s, copied twice at {1048.576 / copying:.1f} GB/s: "
        f"{copying / unmasking:.2f} of it"
    )


if __name__ == "__main__":
    main()
