"""How many records of a load may be rejected: a count, or a share of all."""

from __future__ import annotations

import math
from dataclasses import dataclass

from penstock.model.wording import counted


@dataclass(frozen=True, slots=True)
class Allowance:
    """``limit`` as in `TablePlan.max_rejects`: below 1 it is a share of the whole load; 0 allows no reject."""

    limit: float

    @property
    def is_share(self) -> bool:
        return 0 < self.limit < 1

    def passed(self, rejects: int, records: int | None = None) -> str:
        """The limit that so many rejects exceed, in words; empty if they are allowed. Without ``records``, a share
        allows any number."""
        if not self.is_share:
            return f"{self.limit:,.0f}" if rejects > self.limit else ""
        if records is None or rejects <= self.limit * records:
            return ""
        return f"{self.limit:.2%} of {counted(records, 'record')}"

    def spare(self, rejects: int, records: int | None = None) -> int | None:
        """How many more rejects are allowed; None while that is not known."""
        if self.is_share and records is None:
            return None
        most = self.limit * (records or 0) if self.is_share else self.limit
        return max(0, math.floor(most) - rejects)
