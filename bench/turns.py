"""What the benchmarks of engines share: contestants that take turns, and the lines that say what ran.

The best round of each contestant counts: what disturbs a round makes it slower and never faster.
"""

import argparse
import platform
import time
from collections.abc import Callable, Sequence

#: So many cycles of a contestant; what it gives is its last answer.
Run = Callable[[int], bytes]


def arguments(documentation: str, rounds: str) -> argparse.ArgumentParser:
    """A parser that has ``--rounds``, of which there are so many ``rounds``."""
    parser = argparse.ArgumentParser(description=documentation.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7, help=f"{rounds} (default: 7)")
    return parser


def announce(file: str, peers: str, rounds: str) -> None:
    """Say what runs: interlock from ``file``, its ``peers`` with their versions, and how long."""
    print(
        f"interlock {'INTERPRETED' if file.endswith('.py') else 'COMPILED'} ({file})\n"
        f"{peers}, {platform.python_implementation()} {platform.python_version()}; best of {rounds}\n"
    )


def microseconds(run: Run, count: int) -> float:
    """How long one of ``count`` cycles takes."""
    start = time.perf_counter()
    run(count)
    return (time.perf_counter() - start) / count * 1e6


def best_of(runs: Sequence[Run], rounds: int, counts: Sequence[int]) -> list[float]:
    """The best round of each, in microseconds for one of its ``counts`` cycles."""
    best = [float("inf")] * len(runs)
    for _ in range(rounds):
        for i, run in enumerate(runs):
            best[i] = min(best[i], microseconds(run, counts[i]))
    return best


def title(peer: str) -> None:
    """The head of a table of :func:`line`."""
    print(f"{'request in, response out':<36}{'interlock µs':>14}{f'{peer} µs':>10}{f'times {peer}':>12}")


def line(name: str, ours: float, theirs: float) -> None:
    """What both need for one cycle, in microseconds, and the ratio."""
    print(f"{name:<36}{ours:>14.1f}{theirs:>10.1f}{theirs / ours:>12.1f}", flush=True)
