"""The rejects of a check: the first ones, and how often each reason occurs."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from operator import attrgetter

from penstock.model.record import Reject

# Where warnings say that rejects are listed.
FOLDER = "the report"
# The reasons that are counted one by one; all others together.
MOST_REASONS = 200
OTHERS = ("", "other reasons")
# A value that a reason quotes.
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'(?:\.\.\.)?|\"(?:[^\"\\]|\\.)*\"(?:\.\.\.)?")


class RejectSummary:
    """Implements ``RejectLog``. Keeps the first ``limit`` rejects, and counts columns and reasons without values."""

    def __init__(self, limit: int) -> None:
        self.first: list[Reject] = []
        self.reasons: Counter[tuple[str, str]] = Counter()
        self._limit = limit

    def folder(self, job_id: str) -> str:  # noqa: ARG002  # as RejectLog says
        return FOLDER

    def write(self, job_id: str, name: str, rejects: Sequence[Reject]) -> str:  # noqa: ARG002  # as RejectLog says
        # Those that only the table would refuse come after the others of their chunk.
        self.first = sorted([*self.first, *rejects], key=attrgetter("position.row"))[: self._limit]
        for reject in rejects:
            reason = reject.column, _QUOTED.sub("...", reject.reason)
            known = reason in self.reasons or len(self.reasons) < MOST_REASONS
            self.reasons[reason if known else OTHERS] += 1
        return FOLDER
