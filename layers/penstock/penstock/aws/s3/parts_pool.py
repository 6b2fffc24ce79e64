"""Threads for the parts of large files, shared by all transfers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Self, TypeVar

from penstock.limits import S3, S3Limits

R = TypeVar("R")


class PartsPool:
    """A context manager. ``part_size`` is in bytes. Files up to this size are transferred in one request."""

    def __init__(self, threads: int, part_size: int, s3: S3Limits = S3) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="part")
        self.part_size = part_size
        self._s3 = s3

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    def ranges(self, size: int, part: int = 0) -> list[tuple[int, int]]:
        """Return offset and size of every part. The part size (``part``, or the default) doubles to fit S3's limit."""
        part = part or self.part_size
        while part * self._s3.max_parts < size:
            part *= 2
        return [(offset, min(part, size - offset)) for offset in range(0, size, part)]

    def each(self, work: Callable[[int, tuple[int, int]], R], ranges: Sequence[tuple[int, int]]) -> list[R]:
        """Call ``work(number, range)`` for every range, numbered from 1. Returns the results in order.

        On the first error, no more parts start. It is raised when the parts in progress have ended.
        """
        parts = [self._threads.submit(work, number, range_) for number, range_ in enumerate(ranges, 1)]
        try:
            ended, _ = wait(parts, return_when=FIRST_EXCEPTION)
            for part in ended:
                part.result()
            return [part.result() for part in parts]
        finally:
            for part in parts:
                part.cancel()
            wait(parts)
