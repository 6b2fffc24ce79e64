"""A contender as a Lambda function: the real runtime client, Lambda's memory and its share of CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from benchmarks.frame.reading import Reading

from penstock_local.runtime import Function

ROOT = Path(__file__).parents[2]


def peer(module: str, memory: int, timeout: float, env: Mapping[str, str]) -> Function:
    """``handler`` of a module of benchmarks/peers as a function."""
    return Function(f"benchmarks.peers.{module}.handler", ROOT, memory=memory, timeout=timeout, env=env)


def cold_and_warm(
    contender: str,
    function: Function,
    repetition: int,
    event: Callable[[], object],
    right: Callable[[], None],
) -> Iterator[Reading]:
    """Two events for one fresh process, the second one warm; one only if it dies of the first.

    ``event`` makes the next event; ``right`` raises when the result of a run that ended well is wrong, and clears it.
    """
    with function:
        for start in ("cold", "warm"):
            done = function.invoke(event())
            if done.ok:
                right()
            yield Reading(
                contender,
                function.size.memory,
                start,
                repetition,
                done.init_seconds + done.seconds,
                done.init_cpu_seconds + done.cpu_seconds,
                max(done.peak_bytes, done.rss_peak_bytes),
                done.error_type,
            )
            if not done.ok:
                return
