"""One target in a process of its own, whose memory is bounded: what it finds goes to stdout as JSON.

    python -m fuzz.worker TARGET SEED FIRST EXAMPLES SECONDS MEGABYTES FILE

``FILE`` holds the number of the example under way, for whoever finds the process dead.
"""

from __future__ import annotations

import faulthandler
import json
import mmap
import resource
import struct
import sys
from pathlib import Path

from fuzz.harness import run
from fuzz.targets import TARGETS

_NUMBER = struct.Struct("<Q")


def limit_memory(megabytes: int) -> None:
    """So much more than the process has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * mmap.PAGESIZE + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def main(arguments: list[str]) -> None:
    name, seed, first, examples, seconds, megabytes, note = arguments
    faulthandler.enable()
    target = TARGETS[name]
    # What is imported, or made once, on first use belongs to the process and not to an example.
    run(target, seed=0, first=0, examples=3, seconds=60, begin=lambda _: None)
    with Path(note).open("r+b") as file, mmap.mmap(file.fileno(), _NUMBER.size) as shared:
        limit_memory(int(megabytes))
        summary = run(
            target,
            seed=int(seed),
            first=int(first),
            examples=int(examples),
            seconds=float(seconds),
            begin=lambda number: _NUMBER.pack_into(shared, 0, number),
        )
    sys.stdout.write(json.dumps(summary.plain()))


if __name__ == "__main__":
    main(sys.argv[1:])
