"""Tables of records on a DynamoDB server, and chunks to load into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

import boto3

from penstock.aws.dynamodb_client import records_config
from penstock.destinations.dynamodb.bookmark import DynamoBookmark
from penstock.destinations.dynamodb.sink import DynamoRecordSink
from penstock.limits import MIB
from penstock.model.load import Chunk, Rows
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RecordPosition
from penstock.model.table import Mode, Table, TablePlan

WORKERS = 3
STRING_KEY = (("id", "S"),)
BOTH_KEYS = (("id", "S"), ("at", "N"))

Row = Mapping[str, object]
Keys = Sequence[tuple[str, str]]

_numbers = count(1)


def position_at(row: int) -> RecordPosition:
    """The position of row ``row``, counted from 0, in a file with ten bytes per line."""
    return RecordPosition(row + 1, row * 10, f"line {row + 1}")


def rows_of(rows: Sequence[Row], table: Table, places: Sequence[int] | None = None) -> Rows:
    """Rows by column, with the columns of all rows. ``places`` are their numbers in the file, counted from 0."""
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    numbers = places or range(len(rows))
    columns = [[row.get(name) for row in rows] for name in names]
    return Rows(table, names, columns, len(rows), lambda row: position_at(numbers[row]))


def chunk_of(*parts: Rows, number: int = 0) -> Chunk:
    records = sum(rows.count for rows in parts)
    return Chunk(number, end=records * 10, next_row=records + 1, records=records, rows=parts)


def plan_of(table: Table) -> TablePlan:
    return TablePlan(ParseOptions(), table=table)


def plain(value: Mapping[str, Any]) -> object:
    """An attribute value as a Python value. boto3's deserializer fails on numbers with many zeros."""
    ((type_, inner),) = value.items()
    match type_:
        case "N":
            return Decimal(inner)
        case "L":
            return [plain(element) for element in inner]
        case "M":
            return {name: plain(element) for name, element in inner.items()}
        case "NULL":
            return None
    return inner


@dataclass(frozen=True)
class DynamoServer:
    """The address of a server with the protocol of DynamoDB."""

    url: str
    key_id: str = "test"
    secret: str = "test"

    def client(self) -> Any:
        return boto3.client(
            "dynamodb",
            endpoint_url=self.url,
            region_name="us-east-1",
            config=records_config(WORKERS),
            aws_access_key_id=self.key_id,
            aws_secret_access_key=self.secret,
        )

    def sink(self, bookmark: DynamoBookmark | None = None) -> DynamoRecordSink:
        return DynamoRecordSink(self.client(), budget_bytes=4 * MIB, workers=WORKERS, bookmark=bookmark)

    def bookmark(self, job_id: str, span: int = 0) -> DynamoBookmark:
        """A bookmark in a jobs table."""
        with suppress(self.client().exceptions.ResourceInUseException):
            self.client().create_table(
                TableName="records-jobs",
                KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
                AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                BillingMode="PAY_PER_REQUEST",
            )
        return DynamoBookmark(self.client(), "records-jobs", job_id, span)

    def create(self, keys: Keys = STRING_KEY, index: tuple[str, str] | None = None) -> Table:
        """A new table. ``index`` is the attribute of a secondary index."""
        name = f"records-{next(_numbers)}"
        attributes = [*keys, *([index] if index else [])]
        extra: dict[str, Any] = {}
        if index:
            schema = [{"AttributeName": index[0], "KeyType": "HASH"}]
            projection = {"ProjectionType": "ALL"}
            extra["GlobalSecondaryIndexes"] = [{"IndexName": "index", "KeySchema": schema, "Projection": projection}]
        self.client().create_table(
            TableName=name,
            KeySchema=[
                {"AttributeName": key, "KeyType": role} for (key, _), role in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in attributes],
            BillingMode="PAY_PER_REQUEST",
            **extra,
        )
        return Table(name, mode=Mode.UPSERT)

    def items(self, table: Table) -> list[dict[str, Any]]:
        """All items in order of their keys, with numbers as Decimal."""
        pages = self.client().get_paginator("scan").paginate(TableName=table.name, ConsistentRead=True)
        items = [{name: plain(value) for name, value in item.items()} for page in pages for item in page["Items"]]
        return sorted(items, key=lambda item: (str(item["id"]), item.get("at", 0)))
