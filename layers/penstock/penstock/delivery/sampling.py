"""Infer the columns of tables from the first records of a source, or explain why none of the records is good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice

from penstock.delivery.decoding import Decoding
from penstock.delivery.ports import RejectLog
from penstock.errors import DestinationMissingError, InvalidTableError, TooManyRejectsError
from penstock.formats import ReadLimits, advice, check_sample, lines_at, parse, reads_ranges, reasons
from penstock.limits import MIB
from penstock.model.job import Job
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch
from penstock.model.table import TablePlan
from penstock.tables import Allowance, complete, samples_of, tables_of, without_impossible_names, without_raw

# Columns are inferred from this many bytes for any memory size, so that a retry infers the same columns.
SAMPLE_BYTES = 1 * MIB
SAMPLES = 64  # the maximum, if all records of the earlier samples are rejected
# The name of a sample's rejects in the log: that of the first chunk of the first span.
LISTED = "00000-000000"


@dataclass(frozen=True, slots=True)
class Sampler:
    """Reads samples of a job's source, each time from its beginning."""

    job: Job
    decoding: Callable[[], Decoding]
    rejects: RejectLog
    limits: ReadLimits

    def complete(self, plan: TablePlan) -> TablePlan:
        """Return the plan with all columns. Raises TooManyRejectsError if no record is good, and InvalidTableError."""
        for options in samples_of(plan):
            plan = self._complete(plan, options)
        return plan

    def _complete(self, plan: TablePlan, options: ParseOptions) -> TablePlan:
        sample = self._sample(options, plan)
        if sample and not sample.rows:
            self._refuse_hopeless(plan, sample)
        elif sample:
            check_sample(options, sample)
        with self.explaining(plan):
            return complete(plan, sample) if sample else plan

    @contextmanager
    def explaining(self, plan: TablePlan) -> Iterator[None]:
        """Add to errors of a table without known columns why none of the records is good."""
        try:
            yield
        except (DestinationMissingError, InvalidTableError) as error:
            if any(table.guessed or not table.columns for table in tables_of(plan)):
                sample = self._sample(plan.parse, plan)
                if sample and sample.rejects and not sample.rows:
                    error.add_note(self._hopeless(sample))
                    error.hint = f"{self._advice(plan.parse, sample)} {error.hint}".strip()
            raise

    def _sample(self, options: ParseOptions, plan: TablePlan) -> Batch | None:
        """Return the first records, or later ones if all of them are rejected; None for an empty file."""
        decoding = self.decoding()
        ranges = decoding.ranges() if reads_ranges(options) else None
        with closing(decoding.pieces()) as pieces:
            batches = parse(pieces, options, batch_bytes=SAMPLE_BYTES, limits=self.limits, ranges=ranges)
            samples = (without_raw(without_impossible_names(batch), plan) for batch in islice(batches, SAMPLES))
            first = next(samples, None)
            return first if not first or first.rows else next((batch for batch in samples if batch.rows), first)

    def _refuse_hopeless(self, plan: TablePlan, sample: Batch) -> None:
        """Raises TooManyRejectsError if the rejects of the sample exceed the limit."""
        rejects = sample.rejects
        if Allowance(plan.max_rejects).passed(len(rejects), len(rejects)):
            raise TooManyRejectsError(
                f"{self.job.source.uri}: {self._hopeless(sample)}", hint=self._advice(plan.parse, sample)
            )

    def _advice(self, options: ParseOptions, sample: Batch) -> str:
        """Return what to do. The lines of header and first record are counted, because blank lines are skipped."""

        def lines() -> tuple[int, int]:
            with closing(self.decoding().pieces()) as pieces:
                return lines_at(pieces, sample.rejects[0].position.offset)

        return advice(options, sample.names, sample.rejects, lines)

    def _hopeless(self, sample: Batch) -> str:
        """Log the rejects and return why none of the first records is good."""
        folder = self.rejects.write(self.job.id, LISTED, sample.rejects)
        few = "the only record is not good" if sample.count == 1 else ""
        many = f"none of the first {sample.count:,} records is good"
        listed = "it is listed" if sample.count == 1 else "they are listed"
        return f"{few or many}: {reasons(sample.rejects)}; {listed} in {folder}"
