"""Thread pools that run their work at once, in the thread of the task.

The pools of the code under test send requests side by side. Threads of their own would run whenever the operating
system lets them: a seed would no longer decide. There is no seam to inject them, so the name is replaced in the modules
that use it, while histories run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from penstock.delivery import sampling
from simulation.sources import SAMPLE

NAME = "ThreadPoolExecutor"


class InlineThreads:
    """Behaves as a ThreadPoolExecutor whose threads are always quicker than who submits. A kill goes through."""

    def __init__(self, max_workers: int | None = None, thread_name_prefix: str = "") -> None:
        """Take what a pool takes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Nothing is left to be done."""

    def submit(self, work: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_running_or_notify_cancel()
        try:
            done.set_result(work(*given, **named))
        except Exception as error:  # noqa: BLE001  # a pool hands every error to whoever asks for the result
            done.set_exception(error)
        return done

    def map(self, work: Callable[..., Any], *given: Iterable[Any], **named: Any) -> Iterator[Any]:  # noqa: ARG002
        futures = [self.submit(work, *one) for one in zip(*given, strict=False)]
        return (future.result() for future in futures)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Nothing is left to be done."""


@contextmanager
def inline_threads() -> Iterator[None]:
    """Replace the pools of Penstock's modules within the block. Samples are as small as sources are here."""
    sampled, sampling.SAMPLE_BYTES = sampling.SAMPLE_BYTES, SAMPLE
    modules = [
        module
        for name, module in sys.modules.items()
        if name.startswith("penstock.") and getattr(module, NAME, None) is ThreadPoolExecutor
    ]
    for module in modules:
        setattr(module, NAME, InlineThreads)
    try:
        yield
    finally:
        sampling.SAMPLE_BYTES = sampled
        for module in modules:
            setattr(module, NAME, ThreadPoolExecutor)
