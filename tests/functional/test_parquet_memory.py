"""A CSV of any length becomes a Parquet file in the memory of two row groups."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lengths import long
from penstock.limits import MIB

ROW_GROUP = 4 * MIB

# Writes a long CSV as a Parquet file. Prints rows, row groups, and the largest resident set: after the first batch, at
# the end, and after the second row group.
SCRIPT = """
import resource, sys
from itertools import chain, repeat
from penstock.destinations.parquet.file_writer import ParquetFileWriter
from penstock.destinations.parquet.schema import schema_of
from penstock.formats import parse
from penstock.model.column import Column, ColumnType
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.table import Form, Table, TablePlan
from penstock.tables import ChunkBuilder, fit_to_storage

chunks, row_group, form = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
columns = (
    Column("id", ColumnType.INTEGER),
    Column("t"),
    Column("x", ColumnType.NUMERIC, digits=12, places=2),
    Column("at", ColumnType.TIMESTAMP),
)
schema = schema_of(columns)
options = ParseOptions(format=Format.CSV)
plan = fit_to_storage(TablePlan(options, Table("t", columns)), {"t": schema.storages(columns)})
builder = ChunkBuilder(plan, Form.ARROW)
written = []
writer = ParquetFileWriter(lambda data: written.append(len(data)), schema, row_group_bytes=row_group)
# A space is no plain number: such a batch is parsed.
at = "2024-01-31 10:20:30"
lines = "".join(f"{number},text {number},{number}.25{form},{at}\\n" for number in range(8000)).encode()
peaks = []
source = chain([b"id,t,x,at\\n"], repeat(lines, chunks))
batches = parse(source, options, batch_bytes=256 * 1024, validator_factory=builder.validator)
for number, batch in enumerate(batches):
    assert bool(batch.raw_csv) is not bool(form)
    for rows in builder.chunk(number, batch)[0].rows:
        writer.add(rows)
    peaks.append((len(written), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024))
summary = writer.finish()
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(summary.rows, len(summary.split_offsets), peaks[0][1], start, next(peak for count, peak in peaks if count > 2))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the resident set is in KiB on Linux only")
@pytest.mark.parametrize(("chunks", "form"), [(120, ""), long(2000, ""), long(300, " ")])
def test_the_writer_takes_the_memory_of_its_row_groups(chunks: int, form: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(chunks), str(ROW_GROUP), form],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    rows, groups, first, last, second = map(int, done.stdout.split())
    assert rows == chunks * 8000
    assert groups > 4
    # The Arrow bytes of a row group, its encoded bytes twice, and what the encoder needs at once. Values take more.
    most = 4 * ROW_GROUP + 16 * MIB if form else 3 * ROW_GROUP + 3 * MIB
    assert last - first < most, f"{(last - first) / MIB:.0f} MiB"
    # Nothing grows with the file but its footer.
    assert last - second < ROW_GROUP + 4 * MIB, f"{(last - second) / MIB:.0f} MiB"
