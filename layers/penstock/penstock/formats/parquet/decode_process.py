"""The process that decodes pages of Parquet: a script, not a module.

arro3 aborts its process on some damaged pages, and believes the sizes that they declare. So it decodes in a process of
its own, whose memory and time are limited.

Usage: ``decode_process.py FD BYTES SECONDS FOLDER...``. FD is the file, which holds one row group at a time. BYTES
limit what is allocated after the start, SECONDS the CPU time of a request. FOLDERS hold arro3.

A request is a line: the rows of a batch, and the rows to skip. The answers are values of ``marshal``, each behind its
length in 8 bytes: for each batch its number of rows and its columns; None at the end; a text if arro3 refuses the file.
"""

from __future__ import annotations

import marshal
import os
import resource
import sys
from typing import Any, BinaryIO

# Without references between values: nothing here is shared, and they take time.
VERSION = 2


def main() -> None:
    """Answer requests until there are no more."""
    descriptor, room, seconds, *folders = sys.argv[1:]
    sys.path += folders
    os.putenv("RUST_BACKTRACE", "0")  # the first lines tell all
    from arro3.io import read_parquet  # noqa: PLC0415  # its folder is known only now

    # Lambda has no /dev/fd, and only Linux has /proc.
    path = f"{'/proc/self/fd' if os.access('/proc/self/fd', os.X_OK) else '/dev/fd'}/{descriptor}"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory(int(room))
    for line in sys.stdin.buffer:
        batch_rows, skipped = map(int, line.split())
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + int(seconds))
        try:
            _answer(read_parquet(path, batch_size=batch_rows), skipped, sys.stdout.buffer)
            _send(None, sys.stdout.buffer)
        except Exception as error:
            if type(error) not in (Exception, ValueError):
                raise
            _send(str(error)[:1000] or "it cannot be decoded", sys.stdout.buffer)


def _answer(batches: Any, skipped: int, out: BinaryIO) -> None:
    for batch in batches:
        if skipped >= batch.num_rows:
            skipped -= batch.num_rows
            continue
        rows = batch.slice(skipped) if skipped else batch
        skipped = 0
        _send((rows.num_rows, [column.to_pylist() for column in rows.columns]), out)


def _send(answer: Any, out: BinaryIO) -> None:
    data = marshal.dumps(answer, VERSION)
    out.write(len(data).to_bytes(8, "little"))
    out.write(data)
    out.flush()


def _limit_memory(room: int) -> None:
    """Limit the memory to what is allocated now, and ``room``."""
    try:
        with open("/proc/self/status") as status:  # noqa: PTH123  # pathlib would be most of the imports
            held = next(int(line.split()[1]) for line in status if line.startswith("VmData"))
    except OSError:  # only Linux tells
        return
    _limit(resource.RLIMIT_DATA, held * 1024 + room)


def _limit(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main()
