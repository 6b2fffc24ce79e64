"""The rows of the files of an S3 Inventory, in each of its three formats.

Keys are URL-encoded in CSV only. Parquet and ORC are read by packages that only the command needs: they are an extra
of its distribution (``inventory``), and no part of the layer.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory.html
"""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from os import SEEK_END
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

from penstock.errors import ConfigurationError

Row = Mapping[str, Any]
"""The columns of one object by their name, in lower case and without underscores; None for no value."""


_TRUE = "true"
_PARQUET_MAGIC = b"PAR1"


def rows_of(file_format: str, schema: str, path: Path) -> Iterator[Row]:
    """Yield the rows of a file. Memory: one row of CSV, one batch of Parquet or ORC.

    Raises ConfigurationError for a format that cannot be read here, and for a damaged file.
    """
    try:
        read = _READERS[file_format.upper()]
    except KeyError:
        raise ConfigurationError(
            f"an S3 Inventory in the format {file_format} cannot be read", hint="Order it as CSV, Parquet or ORC."
        ) from None
    return read(schema, path)


def _csv(schema: str, path: Path) -> Iterator[Row]:
    names = [_plain(name.strip()) for name in schema.split(",")]
    if not path.stat().st_size:
        raise damaged("not a gzipped CSV: it is empty")
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
            for number, values in enumerate(csv.reader(text), 1):
                if len(values) != len(names):
                    raise damaged(f"row {number} has {len(values)} fields, and the manifest names {len(names)}")
                row: dict[str, Any] = {name: value or None for name, value in zip(names, values, strict=True)}
                row["key"] = unquote_plus(row.get("key") or "", errors="strict")
                yield row
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise damaged(f"not a valid gzipped CSV: {error}") from error


def _parquet(schema: str, path: Path) -> Iterator[Row]:  # noqa: ARG001  # the file has its own
    arro3 = _imported("arro3.io", "Parquet", "'penstock-aws[inventory]'")
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, file.seek(0, SEEK_END) - 4))
        if not head == file.read(4) == _PARQUET_MAGIC:  # arro3 would panic
            raise damaged("not a Parquet file, or not a complete one")
    batches = iter(arro3.read_parquet(str(path)))
    while batch := _next_batch(batches):
        wanted = {name: _plain(name) for name in batch.schema.names if _plain(name) in _WANTED}
        columns = [batch.column(name).to_pylist() for name in wanted]
        for values in zip(*columns, strict=True):
            yield dict(zip(wanted.values(), values, strict=True))


def _next_batch(batches: Iterator[Any]) -> Any:
    try:
        return next(batches, None)
    except Exception as error:
        if type(error) is Exception:  # all that arro3 raises
            raise damaged(f"not a valid Parquet file: {error}") from error
        raise


def _orc(schema: str, path: Path) -> Iterator[Row]:  # noqa: ARG001  # as above
    pyorc = _imported("pyorc", "ORC", "pyorc")
    with path.open("rb") as file:
        try:
            reader = pyorc.Reader(file)
            names = [_plain(name) for name in reader.schema.fields]
            for values in reader:
                yield dict(zip(names, values, strict=True))
        except pyorc.ParseError as error:
            raise damaged(f"not a valid ORC file: {error}") from error


_READERS: Mapping[str, Callable[[str, Path], Iterator[Row]]] = {"CSV": _csv, "PARQUET": _parquet, "ORC": _orc}


def _imported(module: str, file_format: str, packages: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"an S3 Inventory in the format {file_format} needs the package {module.partition('.')[0]}, "
            "which is not installed",
            hint=f"Install it: pip install {packages}. Or order the inventory as CSV.",
        ) from error


def damaged(problem: str) -> ConfigurationError:
    """Return the error of an inventory that is damaged, or is not the one that its manifest describes."""
    return ConfigurationError(problem, hint="Use another inventory, or omit --inventory to list the bucket.")


def is_current(row: Row) -> bool:
    """Whether a row is of the current version, and no delete marker. An inventory of current versions says neither."""
    return _flag(row.get("islatest"), default=True) and not _flag(row.get("isdeletemarker"), default=False)


def modified_of(row: Row) -> float:
    """Return the time of the last modification in Unix seconds; 0 if the row has none."""
    at = row.get("lastmodifieddate")
    if at is None:
        return 0.0
    when = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def _flag(value: object, *, default: bool) -> bool:
    if value is None:
        return default
    return value if isinstance(value, bool) else str(value).lower() == _TRUE


def _plain(name: str) -> str:
    """``last_modified_date`` and ``LastModifiedDate`` -> ``lastmodifieddate``."""
    return name.replace("_", "").lower()


# The columns that are read.
_WANTED = frozenset(
    ["bucket", "key", "versionid", "islatest", "isdeletemarker", "size", "lastmodifieddate", "etag", "storageclass"]
)


def check_columns(schema: Sequence[str]) -> None:
    """Raises ConfigurationError if a column is missing that nothing can replace."""
    names = set(map(_plain, schema))
    if missing := {"bucket", "key"} - names:
        raise ConfigurationError(f"the inventory has no column {', '.join(sorted(missing))}")
    if "versionid" in names and "islatest" not in names:
        raise ConfigurationError(
            "the inventory lists all versions, and does not say which are current (IsLatest)",
            hint="Order an inventory with all fields, or of current versions.",
        )
