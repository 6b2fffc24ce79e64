"""The data files that jobs have written, by the records of their spans in the work bucket."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from penstock.destinations.iceberg.ports import WrittenFiles
from penstock.destinations.parquet.span_files import SpanFiles, VersionedFiles, record_key
from penstock.errors import InvalidTableError
from penstock.model.serialization import from_json

# The span of a job in one piece.
WHOLE = 0
# Records that are read at once. botocore keeps ten connections.
READS = 8


@dataclass(frozen=True, slots=True)
class RecordedFiles:
    """Implements ``JobFiles``. Memory: the records of the job's spans, about 1 KB for each file with few columns."""

    store: VersionedFiles

    def read(self, job_id: str, spans: Sequence[int] = (WHOLE,)) -> WrittenFiles:
        """Raises InvalidTableError if the table or its partition spec was replaced while the job wrote."""
        keys = [record_key(job_id, span) for span in spans]
        if len(keys) == 1:
            found = [self.store.read(keys[0])]
        else:
            with ThreadPoolExecutor(READS, thread_name_prefix="records") as threads:
                found = list(threads.map(self.store.read, keys))
        texts = [each[0] for each in found if each]
        records = [record for record in (from_json(SpanFiles, text) for text in texts) if record.is_done]
        written = [record for record in records if record.files]
        specs = {record.spec_id for record in written}
        if len(specs) > 1:
            raise InvalidTableError(
                f"job {job_id}: the partition spec of the table was changed while its files were written",
                hint="Redrive the job.",
            )
        tables = {file.table_id for record in written for file in record.files}
        if len(tables) > 1:
            raise InvalidTableError(
                f"job {job_id}: its table was dropped and created again while its files were written",
                hint="Upload the source again.",
            )
        return WrittenFiles(
            files=tuple(file for record in written for file in record.data_files),
            spec_id=specs.pop() if specs else 0,
            size=sum(map(len, texts)),
            missing=len(keys) - len(records),
            table_id=tables.pop() if tables else "",
            written_at=min((record.written_at for record in written), default=0.0),
        )
