"""The sample table: the same everywhere, shaped like the real one."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
from functools import cache
from pathlib import Path

from penstock_local import samples

PINNED = "edf71adc43e3e8e20fb68a5d9aaa938181164470fb059d76ea3ff4406f850f2d"


@cache
def table(rows: int) -> bytes:
    return b"".join(samples.accidents(rows))


def test_the_bytes_never_change() -> None:
    digest = hashlib.sha256(table(4_500)).hexdigest()
    assert digest == PINNED, "the table changed: raise EDITION and pin the new digest"


def test_another_seed_makes_another_table() -> None:
    assert b"".join(samples.accidents(5, seed=1)) != table(5)


def test_every_row_has_the_header_s_columns_and_its_number() -> None:
    header, *rows = csv.reader(io.StringIO(table(3_000).decode()))
    assert len(header) == 44
    assert {len(row) for row in rows} == {44}
    assert [row[0] for row in rows] == [f"A-{number}" for number in range(1, 3_001)]


def test_some_texts_hold_commas_and_quotes() -> None:
    descriptions = [row[8] for row in csv.reader(io.StringIO(table(500).decode()))]
    assert any("," in text for text in descriptions)
    assert any('"' in text for text in descriptions)


def test_blocks_are_whole_lines_of_bounded_size() -> None:
    blocks = list(samples.accidents(5_000))
    assert all(block.endswith(b"\n") for block in blocks)
    assert max(len(block) for block in blocks) < 1024 * 1024


def test_a_shorter_table_is_the_beginning_of_a_longer_one() -> None:
    assert table(2_500).startswith(table(700))


def test_gzip_leaves_a_fifth_to_a_sixth_as_of_the_real_table(tmp_path: Path) -> None:
    samples.write_gzip(tmp_path / "a.csv.gz", [table(20_000)])
    ratio = len(table(20_000)) / (tmp_path / "a.csv.gz").stat().st_size
    assert 5.0 < ratio < 6.2


def test_the_gzip_file_is_one_member_without_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    samples.write_gzip(path, samples.accidents(10))
    assert gzip.decompress(path.read_bytes()) == table(10)
    assert path.read_bytes()[4:8] == bytes(4)


def test_a_file_is_made_once(tmp_path: Path) -> None:
    first = samples.cached("accidents", 10, tmp_path / "new")
    first.write_bytes(b"kept")
    assert samples.cached("accidents", 10, tmp_path / "new").read_bytes() == b"kept"
    assert [path.name for path in first.parent.iterdir()] == [first.name]


def test_files_of_other_lengths_have_other_names(tmp_path: Path) -> None:
    assert samples.cached("accidents", 1, tmp_path) != samples.cached("accidents", 2, tmp_path)
