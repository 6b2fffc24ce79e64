"""The first records of a source: the columns of tables by them, or what is wrong with them where none is good."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice

from penstock.delivery.decoding import Decoding
from penstock.delivery.ports import RejectLog
from penstock.errors import DestinationMissingError, InvalidTableError, TooManyRejectsError
from penstock.formats import WorkbookLimits, advice, check_sample, lines_at, parse, reasons
from penstock.limits import MIB
from penstock.model.job import Job
from penstock.model.parse_options import ParseOptions
from penstock.model.record import Batch
from penstock.model.table import TablePlan
from penstock.tables import Allowance, complete, tables_of, without_impossible_names

# What columns are inferred from: the same bytes whatever the function's memory, so that a retry infers the same.
SAMPLE_BYTES = 1 * MIB
SAMPLES = 64  # at most, where all that is in one is rejected
# How the log of rejects names those of a sample: as the first chunk of the first span does.
LISTED = "00000-000000"


@dataclass(frozen=True, slots=True)
class Sampler:
    """Reads the source of a job from its beginning, each time that it has to."""

    job: Job
    decoding: Callable[[], Decoding]
    rejects: RejectLog
    workbook: WorkbookLimits

    def complete(self, plan: TablePlan) -> TablePlan:
        """The plan with all columns. Raises TooManyRejectsError where no record is good, and InvalidTableError."""
        sample = self._sample(plan.parse)
        if sample and not sample.rows:
            self._refuse_hopeless(plan, sample)
        elif sample:
            check_sample(plan.parse, sample)
        with self.explaining(plan):
            return complete(plan, sample) if sample else plan

    @contextmanager
    def explaining(self, plan: TablePlan) -> Iterator[None]:
        """Where no good record has shown a table's columns, an error of that table also says why none is good."""
        try:
            yield
        except (DestinationMissingError, InvalidTableError) as error:
            if any(table.guessed or not table.columns for table in tables_of(plan)):
                sample = self._sample(plan.parse)
                if sample and sample.rejects and not sample.rows:
                    error.add_note(self._hopeless(sample))
                    error.hint = f"{self._advice(plan.parse, sample)} {error.hint}".strip()
            raise

    def _sample(self, options: ParseOptions) -> Batch | None:
        """The first records; where all are rejected, those behind them. None of an empty file."""
        with closing(self.decoding().pieces()) as pieces:
            batches = parse(pieces, options, batch_bytes=SAMPLE_BYTES, workbook=self.workbook)
            samples = map(without_impossible_names, islice(batches, SAMPLES))
            first = next(samples, None)
            return first if not first or first.rows else next((batch for batch in samples if batch.rows), first)

    def _refuse_hopeless(self, plan: TablePlan, sample: Batch) -> None:
        """Raises TooManyRejectsError where the rejects of the sample alone are too many."""
        rejects = sample.rejects
        if Allowance(plan.max_rejects).passed(len(rejects), len(rejects)):
            raise TooManyRejectsError(
                f"{self.job.source.uri}: {self._hopeless(sample)}", hint=self._advice(plan.parse, sample)
            )

    def _advice(self, options: ParseOptions, sample: Batch) -> str:
        """What to do about it. The lines of header and first record are counted, for blank ones are passed over."""

        def lines() -> tuple[int, int]:
            with closing(self.decoding().pieces()) as pieces:
                return lines_at(pieces, sample.rejects[0].position.offset)

        return advice(options, sample.names, sample.rejects, lines)

    def _hopeless(self, sample: Batch) -> str:
        """Why none of the first records is good; they are listed."""
        folder = self.rejects.write(self.job.id, LISTED, sample.rejects)
        few = "the only record is not good" if sample.count == 1 else ""
        many = f"none of the first {sample.count:,} records is good"
        listed = "it is listed" if sample.count == 1 else "they are listed"
        return f"{few or many}: {reasons(sample.rejects)}; {listed} in {folder}"
