"""Decodes row groups by a process that may fail (see `decode_process`)."""

from __future__ import annotations

import marshal
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from select import select
from types import TracebackType
from typing import Self

from penstock.errors import BlockTooLargeError, ConfigurationError, CorruptSourceError
from penstock.formats.parquet.decode_process import VERSION
from penstock.limits import MIB

# Memory of the process before it decodes.
PROCESS_BYTES = 30 * MIB
# What it may need in any function: of the smallest, too.
LEAST_ROOM = 24 * MIB
# Seconds of CPU for one row group: 4 GB of plain values take that long.
SECONDS = 120
# Seconds without an answer: of a process that neither works nor ends.
SILENCE = 300
# Of a batch that does not fit, or that the process does not survive, so many times fewer rows are tried.
FEWER = 16

_SCRIPT = Path(__file__).with_name("decode_process.py")

_PIECE = 1 * MIB
# Bytes of a complaint that are read, seconds until it has no further line, and until it is given up unfinished.
_COMPLAINT, _PAUSE, _LONG_PAUSE = 4096, 0.05, 5.0
_NO_MEMORY = re.compile(rb"memory allocation of (\d{1,18}) bytes failed")

Columns = Sequence[Sequence[object]]
"""The values of each column, by physical types: bool, int, float, bytes; groups are dicts, repeated fields lists."""


class Decoder:
    """Decodes the row groups that follow each other in a file. A context manager: it ends its process.

    ``room``: bytes for the pages and values of a batch. Memory: a third of it for an answer, and the process, which has
    `PROCESS_BYTES` of its own, and ``room``.
    """

    def __init__(self, descriptor: int, room: int) -> None:
        self._descriptor = descriptor
        self._room = room
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def batches(self, name: str, rows: int, batch_rows: int, skipped: int) -> Iterator[tuple[int, Columns, int]]:
        """Yield the batches of the row group in the file, after the first ``skipped`` of its ``rows``: the number of
        records, the columns, and the bytes of the answer.

        ``name`` is the row group for messages. Raises CorruptSourceError if it cannot be decoded, and
        BlockTooLargeError if one record does not fit memory.
        """
        done = skipped
        while done < rows:
            try:
                for count, columns, size in self._request(name, batch_rows, done):
                    if done + count > rows:
                        raise CorruptSourceError(f"{name} holds more than its {rows:,} records", offset=0)
                    done += count
                    yield count, columns, size
                if done < rows:
                    raise CorruptSourceError(f"{name} ends after {done:,} of its {rows:,} records", offset=0)
            except _FailedError as failed:
                self._end()
                if batch_rows == 1 or failed.is_final:
                    raise failed.told(name, done + 1) from None
                batch_rows = max(1, batch_rows // FEWER)

    def _request(self, name: str, batch_rows: int, skipped: int) -> Iterator[tuple[int, Columns, int]]:
        process = self._started()
        assert process.stdin  # noqa: S101  # for mypy: it has pipes
        try:
            process.stdin.write(b"%d %d\n" % (batch_rows, skipped))
            process.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None
        while True:
            size = int.from_bytes(self._read(8), "little")
            if size > self._room // 3:
                raise _FailedError("", needed=size * 3)
            answer: tuple[int, Columns] | str | None = marshal.loads(self._read(size))  # noqa: S302  # our process wrote it
            if answer is None:
                return
            if isinstance(answer, str):
                raise CorruptSourceError(f"{name} cannot be decoded: {answer}", offset=0)
            yield *answer, size

    def _read(self, size: int) -> bytes:
        """Read so many bytes of an answer. Raises _FailedError as soon as the process complains: it may never die."""
        assert self._process  # noqa: S101  # for mypy: it was started
        assert self._process.stdout  # noqa: S101  # for mypy: it has pipes
        assert self._process.stderr  # noqa: S101  # for mypy: as before
        out, complaints = self._process.stdout.fileno(), self._process.stderr.fileno()
        data = bytearray()
        while len(data) < size:
            ready, _, _ = select([out, complaints], [], [], SILENCE)
            if not ready:
                raise _FailedError(f"no answer within {SILENCE} s", is_final=True)
            if complaints in ready and (said := os.read(complaints, _COMPLAINT)):
                while len(said) < _COMPLAINT and select([complaints], [], [], _pause_after(said))[0]:
                    more = os.read(complaints, _COMPLAINT)
                    if not more:
                        break
                    said += more
                # Rust says nothing else of an allocation that failed: it ends like a panic.
                refused = _NO_MEMORY.search(said)
                needed = self._room + int(refused[1]) if refused else 0
                raise _FailedError(_reason(said.decode(errors="replace")), needed=needed)
            piece = os.read(out, min(size - len(data), _PIECE)) if out in ready else b""
            if out in ready and not piece:
                raise self._failure()
            data += piece
        return bytes(data)

    def _failure(self) -> _FailedError:
        """Why the process has ended without a word."""
        assert self._process  # noqa: S101  # for mypy: it was started
        status = self._process.wait()
        if status == -signal.SIGXCPU:
            return _FailedError(f"it takes more than {SECONDS} s of CPU", is_final=True)
        return _FailedError(f"its decoder ended with status {status}")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            limits = [str(self._descriptor), str(self._room), str(SECONDS)]
            self._process = subprocess.Popen(  # noqa: S603  # our own script
                [sys.executable, "-I", "-S", str(_SCRIPT), *limits, *_folders()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                pass_fds=(self._descriptor,),
            )
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()


class _FailedError(Exception):
    """The process did not survive a batch, or the batch does not fit. ``is_final``: fewer rows would not help."""

    def __init__(self, why: str, *, needed: int = 0, is_final: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.needed = needed
        self.is_final = is_final

    def told(self, name: str, record: int) -> BlockTooLargeError | CorruptSourceError:
        """The error for the record of a row group at which it failed."""
        if self.needed:
            return BlockTooLargeError(
                f"{name}: record {record:,} of it needs {-(-self.needed // MIB):,} MiB of memory to be decoded"
            )
        return CorruptSourceError(f"{name} cannot be decoded at its record {record:,}: {self.why}", offset=0)


def _pause_after(said: bytes) -> float:
    """How long to wait for more. The line of a panic that names the place in the code is followed by its reason."""
    lines = said.strip().splitlines()
    is_whole = lines and said.endswith(b"\n") and b"panicked at" not in lines[-1]
    return _PAUSE if is_whole else _LONG_PAUSE


def _reason(complaint: str) -> str:
    """What a panic of Rust says behind the place in its code; else all that the process says."""
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    return (
        (lines[1] if "panicked at" in lines[0] and len(lines) > 1 else "; ".join(lines))[:200] if lines else "it failed"
    )


def size_of(value: object) -> int:
    """The bytes of a value in an answer."""
    return len(marshal.dumps(value, VERSION))  # type: ignore[arg-type]  # it came from one


def _folders() -> list[str]:
    """The folders from which arro3 is imported. Raises ConfigurationError if it is not installed."""
    spec = find_spec("arro3")
    if spec is None or not spec.submodule_search_locations or not sys.executable:
        raise ConfigurationError(
            "Parquet files are read by the packages arro3-core and arro3-io, which are not installed",
            hint="Install them: pip install arro3-core arro3-io. In a stack, deploy the layer that holds them.",
        )
    return sorted({str(Path(location).parent) for location in spec.submodule_search_locations})
