"""The records that the demo loads into tables, and the expected content, computed independently from the same data."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import io
import json
import random
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType

import openpyxl
import psycopg

from penstock_local.samples import accidents
from penstock_local.sources import checkout
from penstock_local.stack import Stack

ACCIDENTS = 50_000
ORDERS = 20_000
EVENTS = 3_000
LEDGER = 2_000
SALES = {"2026/north.csv": 2_000, "2026/south.csv": 1_500, "2026/shop/online.csv": 1_500}  # rows by member
MEDIA_FILES = 100
MEDIA_RECORDS = 20
AWESOME = 4.0  # the threshold in schema.sql
BAD_ORDERS = {77: "not a number", 4_000: "31/02/2026", 12_345: ""}

Rows = list[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class LoadSample:
    """Files to load into tables: keys and contents, and the expected numbers of ``rows`` and ``rejects``.

    ``check`` returns what is wrong with the tables; empty if nothing is.
    """

    label: str
    files: tuple[tuple[str, bytes], ...]
    rows: int
    rejects: int
    check: Callable[[Stack], str]


def create_media_tables(stack: Stack) -> None:
    """Create the tables of the media example, which Penstock does not create."""
    with psycopg.connect(stack.postgres_dsn) as database:
        database.execute((checkout() / "examples/media/schema.sql").read_bytes())


def load_samples() -> list[LoadSample]:
    """One load of each kind."""
    return [_accidents(), _orders(), _ledger(), _sales(), _events(), _media()]


def _accidents() -> LoadSample:
    text = b"".join(accidents(ACCIDENTS))
    rows = list(csv.DictReader(io.StringIO(text.decode(), newline="")))
    expected: Rows = [(number,) for number in sorted(row["ID"] for row in rows)]
    return LoadSample(
        "tables/accidents.csv.gz",
        (("tables/accidents.csv.gz", gzip.compress(text, 1)),),
        ACCIDENTS,
        0,
        lambda stack: _differs(stack, 'SELECT "ID"::text FROM accidents ORDER BY "ID"::text COLLATE "C"', expected),
    )


def _orders() -> LoadSample:
    draw = random.Random(3)
    start = date(2026, 1, 1)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["Order ID", "Customer", "Amount", "Ordered"])
    expected: Rows = []
    for number in range(1, ORDERS + 1):
        day = start + timedelta(days=draw.randrange(300))
        row = [
            number,
            f'Customer "{draw.randrange(900)}", Ltd.',
            f"{draw.randrange(10**6) / 100:.2f}",
            f"{day:%d/%m/%Y}",
        ]
        bad = BAD_ORDERS.get(number)
        if bad is None:
            expected.append((number, row[1], row[2], f"{day:%Y-%m-%d}"))
        else:
            row[3 if "/" in bad else 2] = bad
        writer.writerow(row)
    return LoadSample(
        "tables/orders.csv (3 bad rows)",
        (("tables/orders.csv", out.getvalue().encode()),),
        ORDERS - len(BAD_ORDERS),
        len(BAD_ORDERS),
        lambda stack: (
            _differs(
                stack, "SELECT order_id, customer, amount::text, ordered_on::text FROM orders ORDER BY 1", expected
            )
            or _wrong_rejects(stack)
        ),
    )


def _wrong_rejects(stack: Stack) -> str:
    s3 = stack.client("s3")
    listed = s3.list_objects_v2(Bucket=stack.work_bucket, Prefix="jobs/").get("Contents", [])
    keys = [entry["Key"] for entry in listed if "/rejects/" in entry["Key"]]
    bodies = [s3.get_object(Bucket=stack.work_bucket, Key=key)["Body"].read() for key in keys]
    found = sorted(json.loads(line)["row"] for body in bodies for line in body.splitlines())
    return "" if found == sorted(BAD_ORDERS) else f"rejects name rows {found}, not {sorted(BAD_ORDERS)}"


def _ledger() -> LoadSample:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Ledger")
    sheet.append(["account", "booked", "amount"])
    rows = [(f"{n:06d}", date(2026, 1, 1) + timedelta(days=n % 365), n * 1.25) for n in range(LEDGER)]
    for row in rows:
        sheet.append(row)
    out = io.BytesIO()
    book.save(out)
    expected: Rows = [(account, f"{booked}", f"{amount:.2f}") for account, booked, amount in rows]
    return LoadSample(
        "tables/ledger.xlsx",
        (("tables/ledger.xlsx", out.getvalue()),),
        LEDGER,
        0,
        lambda stack: _differs(
            stack,
            "SELECT account, booked::date::text, amount::numeric(12,2)::text FROM ledger ORDER BY account",
            expected,
        ),
    )


def _sales() -> LoadSample:
    """A zip of CSV files, with what a Mac adds to it."""
    packed = io.BytesIO()
    expected: Rows = []
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, count in SALES.items():
            out = io.StringIO()
            writer = csv.writer(out)
            writer.writerow(["sale", "product", "price", "sold"])
            rows = [
                (len(expected) + n, f'Product "{n % 70}", {name}', f"{n % 900 / 4:.2f}", f"2026-0{1 + n % 9}-15")
                for n in range(count)
            ]
            writer.writerows(rows)
            expected += rows
            archive.writestr(name, out.getvalue())
            archive.writestr(f"__MACOSX/{name}", b"\0\5\x16\7")
    return LoadSample(
        f"archives/sales.zip ({len(SALES)} files)",
        (("archives/sales.zip", packed.getvalue()),),
        len(expected),
        0,
        lambda stack: _differs(stack, "SELECT sale, product, price::text, sold::text FROM sales ORDER BY 1", expected),
    )


def _events() -> LoadSample:
    items = [{"id": f"event-{n:05d}", "kind": "click", "value": n * 0.1, "tags": ["a", n]} for n in range(EVENTS)]
    text = "".join(json.dumps(item) + "\n" for item in items)
    return LoadSample(
        "tables/events.jsonl.gz",
        (("tables/events.jsonl.gz", gzip.compress(text.encode())),),
        EVENTS,
        0,
        lambda stack: _wrong_items(stack, {str(item["id"]): json.dumps(item["value"]) for item in items}),
    )


def _wrong_items(stack: Stack, expected: dict[str, str]) -> str:
    pages = stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.records_table)
    found = {item["id"]["S"]: item["value"]["N"] for page in pages for item in page["Items"]}
    equal = found.keys() == expected.keys() and all(float(found[key]) == float(expected[key]) for key in found)
    return "" if equal else f"the {len(found)} items of the table differ from the {len(expected)} of the file"


def _media() -> LoadSample:
    files = tuple(_generator().media_files(MEDIA_FILES, MEDIA_RECORDS))
    records = [record for _, content in files for record in json.loads(content)]
    kinds = {kind: [r["data"] for r in records if r["type"] == kind] for kind in ("song", "movie", "app")}
    expected: Rows = [
        (
            len(kinds["song"]),
            len(kinds["movie"]),
            len(kinds["app"]),
            sum(app["rating"] >= AWESOME for app in kinds["app"]),
            sum(_normalized(movie["original_title"]) == "river" for movie in kinds["movie"]),
        )
    ]
    query = """
        SELECT (SELECT count(*) FROM songs), (SELECT count(*) FROM movies), (SELECT count(*) FROM apps),
               (SELECT count(*) FROM apps WHERE is_awesome),
               (SELECT count(*) FROM movies WHERE original_title_normalized = 'river')
    """
    return LoadSample(
        f"media/ ({MEDIA_FILES} files)", files, len(records), 0, lambda stack: _differs(stack, query, expected)
    )


def _normalized(title: str) -> str:
    return "".join(sign for sign in title.lower().replace(" ", "_") if sign.isalnum() or sign == "_")


def _generator() -> ModuleType:
    """Import examples/media/generate.py, which is not in a package."""
    path: Path = checkout() / "examples/media/generate.py"
    spec = importlib.util.spec_from_file_location("media_generate", path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _differs(stack: Stack, query: str, expected: Rows) -> str:
    with psycopg.connect(stack.postgres_dsn) as database:
        found = database.execute(query.encode()).fetchall()
    if found == expected:
        return ""
    difference = next((pair for pair in zip(found, expected, strict=False) if pair[0] != pair[1]), "the number of rows")
    return f"{len(found):,} rows in the table, {len(expected):,} expected; first difference: {difference}"
