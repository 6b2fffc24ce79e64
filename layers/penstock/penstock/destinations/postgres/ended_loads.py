"""Report the end of a job that `PostgresSink.finish` has not ended: it failed or was superseded, or its rows are
visible although nobody finished it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.destinations.postgres.catalog import find, split_name
from penstock.destinations.postgres.connect import Connection
from penstock.destinations.postgres.ledger import Ledger
from penstock.destinations.postgres.load_counts import LoadCounts, counts_of
from penstock.destinations.postgres.load_report import LOADS, LoadReport
from penstock.model.load_origin import LoadOrigin

_REPORTS = """
SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %s AND c.relkind IN ('r', 'p') AND has_schema_privilege(n.oid, 'USAGE')
  AND has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'UPDATE')
"""


@dataclass(frozen=True, slots=True)
class EndedLoad:
    """The end of a load. Its ``origin`` is None if the files of the job are gone."""

    connection: Connection
    ledger_in: Callable[[str], Ledger]
    origin: LoadOrigin | None
    status: str
    failure: str
    seconds: float

    def record(self) -> None:
        """Write the end to the report that has the begin of the job; without one, to that of its first table, if there
        is an ``origin``."""
        for (schema,) in self.connection.execute(_REPORTS, [LOADS]).fetchall():
            ledger, report = self.ledger_in(schema), LoadReport(self.connection, schema)
            if report.has(ledger.job_id):
                self._write(report, ledger)
                return
        relation = find(self.connection, split_name(self.origin.tables[0][0])) if self.origin else None
        if relation:
            self._write(LoadReport(self.connection, relation.schema), self.ledger_in(relation.schema))

    def _write(self, report: LoadReport, ledger: Ledger) -> None:
        if not report.is_usable:
            return
        by_table = self.origin is not None and len(self.origin.tables) > 1
        has_ledger = find(self.connection, ledger.name) is not None
        counts = counts_of(ledger, by_table=by_table) if has_ledger else LoadCounts(0, 0, 0)
        if self.origin:
            report.end(ledger.job_id, self.origin, counts, self.status, self.failure, seconds=self.seconds)
        else:
            report.close(ledger.job_id, counts, self.status, self.failure)
