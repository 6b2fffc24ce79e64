"""Avro files by the command: into Parquet files, and checked."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from click.testing import CliRunner

from avro_files import COMPRESS, block, encoded, header, logical, record
from penstock_cli.main import main

TYPES = record(
    "Types",
    id="int",
    amount=logical("bytes", "decimal", precision=38, scale=20),
    at=["null", logical("long", "timestamp-micros")],
    day=logical("int", "date"),
    ratio="float",
    flag="boolean",
    tags={"type": "array", "items": logical("bytes", "decimal", precision=4, scale=2)},
)
PLAIN = record(
    "Types",
    id="int",
    amount="bytes",
    at=["null", "long"],
    day="int",
    ratio="float",
    flag="boolean",
    tags={"type": "array", "items": "bytes"},
)
RECORDS: list[dict[str, Any]] = [
    {"id": 1, "amount": b"\x01", "at": 5, "day": 0, "ratio": 0.5, "flag": True, "tags": [b"\x01\x00"]},
    {"id": 2, "amount": b"\xff", "at": None, "day": -1, "ratio": -1.0, "flag": False, "tags": []},
]


def run(*arguments: str) -> str:
    result = CliRunner(mix_stderr=False).invoke(main, arguments)
    assert result.exit_code == 0, result.output + result.stderr
    return result.output + result.stderr


def avro(folder: Path, codec: str = "snappy") -> Path:
    path = folder / "a.avro"
    path.write_bytes(header(TYPES, codec) + block(2, COMPRESS[codec](encoded(PLAIN, RECORDS))))
    return path


def test_avro_becomes_parquet_with_the_types_of_its_schema(tmp_path: Path) -> None:
    run("run", str(avro(tmp_path)), "--to", f"parquet:{tmp_path}/out/")
    (path,) = (tmp_path / "out").iterdir()
    table = pq.read_table(path)
    assert [str(field.type) for field in table.schema] == [
        *("int64", "decimal128(38, 20)", "timestamp[us, tz=UTC]", "date32[day]", "double", "bool", "string"),
    ]
    rows = table.to_pylist()
    assert [row["amount"] for row in rows] == [Decimal("1e-20"), Decimal("-1e-20")]
    assert [row["tags"] for row in rows] == ["[2.56]", "[]"]
    assert [row["at"] and row["at"].isoformat() for row in rows] == ["1970-01-01T00:00:00.000005+00:00", None]


def test_there_is_nothing_to_guess_of_a_file_that_declares_its_columns(tmp_path: Path) -> None:
    result = CliRunner(mix_stderr=False).invoke(main, ["guess", str(avro(tmp_path))])
    assert result.exit_code == 1
    assert "a file in avro declares its columns and their types" in result.stderr
    assert "penstock check" in result.stderr


def test_a_check_tells_the_columns_of_an_avro_file(tmp_path: Path) -> None:
    told = run("check", str(avro(tmp_path, "zstandard")))
    assert "2 records, 0 rejected" in told
    assert "timestamp" in told
