"""The commit that makes the files of a job visible in a table: what the records of jobs and of commits hold."""

from __future__ import annotations

from dataclasses import dataclass

# Values of `CommitNote.replaces` and `Table.replaces`: what a new version replaces.
TABLE, PARTITIONS = "table", "partitions"


@dataclass(frozen=True, slots=True)
class CommitNote:
    """The commit of a job, on its record.

    ``id`` is in the summary of the snapshot; empty while no commit has taken the job. ``requested`` is when the first
    request that could commit was about to be sent (Unix seconds; 0: none was), and ``base`` the snapshot of the table
    before it; None: the table had none. ``under_way``: such a request may still be answered. ``snapshot`` is the one
    that has the files. ``replaces``: `TABLE` or `PARTITIONS`, for a job that replaces rows. Such a job has a place
    among others: ``order`` in the ``series``.
    """

    id: str = ""
    base: int | None = None
    requested: float = 0.0
    under_way: bool = False
    snapshot: int | None = None
    replaces: str = ""
    series: str = ""
    order: str = ""


NO_COMMIT = CommitNote()


@dataclass(frozen=True, slots=True)
class CommitBatch:
    """Jobs whose files one commit makes visible. ``jobs`` never change. One function works on it ``until`` then.

    ``base``, ``requested`` and ``snapshot`` are as in `CommitNote`. ``doubts`` counts the attempts after which nobody
    could tell whether the commit is in.
    """

    id: str
    table: str
    jobs: tuple[str, ...]
    until: float = 0.0
    base: int | None = None
    requested: float = 0.0
    snapshot: int | None = None
    doubts: int = 0
    is_done: bool = False
