"""Write rejected records to one local file, as JSON Lines."""

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
    """Implements ``RejectLog``. The file is created with the first reject; it replaces that of an earlier load.

    ``resume`` is where a load resumes: the file keeps the rejects of committed chunks, except those that will be
    written again. Memory: one line of the file, and the rejects of one chunk. Raises FileError.
    """

    def __init__(self, path: Path, resume: Resume) -> None:
        self.path = path
        self._resume = resume
        self._begun = False

    def folder(self, job_id: str) -> str:  # noqa: ARG002  # all rejects go to one file
        return str(self.path)

    def write(self, job_id: str, name: str, rejects: Sequence[Reject]) -> str:  # noqa: ARG002  # all rejects go to one file
        if not self._begun:
            self._begin()
            self._begun = True
        lines = "".join(json.dumps(reject.flat, ensure_ascii=False) + "\n" for reject in rejects)
        with file_errors(str(self.path)), self.path.open("ab") as file:
            file.write(lines.encode(errors="replace"))
        return str(self.path)

    def _begin(self) -> None:
        again = {reject.position.row for reject in self._resume.refused}
        with atomic_file(self.path) as output:
            size = 0
            if self._resume.chunk and self.path.exists():
                with file_errors(str(self.path)), self.path.open("rb") as file:
                    for line in file:
                        row = _row(line)
                        if 0 < row < self._resume.row and row not in again:
                            output.write(size, line)
                            size += len(line)
            output.publish(time.time_ns())


def _row(line: bytes) -> int:
    """Return the row of a line; 0 if the line is incomplete or has another format."""
    try:
        row = json.loads(line)["row"]
    except (ValueError, KeyError, TypeError):
        return 0
    return row if isinstance(row, int) and line.endswith(b"\n") else 0
