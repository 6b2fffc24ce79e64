"""Rejected records in one local file, as JSON Lines."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from penstock.files.atomic_file import atomic_file
from penstock.files.errors import file_errors
from penstock.model.load import Resume
from penstock.model.record import Reject


class RejectsFile:
    """Implements ``RejectLog``. The file is made when there is a reject; one of an earlier load is replaced.

    ``resume`` is where a load goes on: of the file, the rejects of what is in already are kept, but for those that will
    be written again. Memory: one line of the file, and the rejects of one chunk. Raises FileError.
    """

    def __init__(self, path: Path, resume: Resume) -> None:
        self.path = path
        self._resume = resume
        self._begun = False

    def folder(self, job_id: str) -> str:  # noqa: ARG002  # one file holds all
        return str(self.path)

    def write(self, job_id: str, name: str, rejects: Sequence[Reject]) -> str:  # noqa: ARG002  # one file holds all
        if not self._begun:
            self._begin()
            self._begun = True
        lines = "".join(json.dumps(reject.flat, ensure_ascii=False) + "\n" for reject in rejects)
        with file_errors(str(self.path)), self.path.open("ab") as file:
            file.write(lines.encode(errors="replace"))
        return str(self.path)

    def _begin(self) -> None:
        again = {reject.place.row for reject in self._resume.refused}
        with atomic_file(self.path) as making:
            size = 0
            if self._resume.chunk and self.path.exists():
                with file_errors(str(self.path)), self.path.open("rb") as file:
                    for line in file:
                        row = _row(line)
                        if 0 < row < self._resume.row and row not in again:
                            making.write(size, line)
                            size += len(line)
            making.publish(time.time_ns())


def _row(line: bytes) -> int:
    """The row that a line tells of; 0 where it was cut short, or is another's."""
    try:
        row = json.loads(line)["row"]
    except (ValueError, KeyError, TypeError):
        return 0
    return row if isinstance(row, int) and line.endswith(b"\n") else 0
