"""Tables that several members of an archive replace together."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.model.identity import digest


@dataclass(frozen=True, slots=True)
class Replacement:
    """The rows of several members go to the staging tables of one ``attempt`` at the archive's job ``job_id``, and
    replace the old rows together.

    ``id`` is a digest of the tables and the members' jobs: they are swapped once. ``table`` is the first of the tables.
    ``series`` and ``order`` are those of the archive: an older version never replaces the rows of a newer one. An empty
    ``order`` is not checked.
    """

    id: str
    job_id: str
    attempt: str
    table: str
    series: str = ""
    order: str = ""

    @property
    def load_id(self) -> str:
        """The id of the rows that one attempt has staged."""
        return digest(self.id, self.attempt)
