"""Make the items to write of a chunk's rows: the last valid row of every key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from itertools import repeat
from json.encoder import encode_basestring as quote
from typing import NamedTuple, TypeAlias

from penstock.aws.dynamodb_values import encode, item_size
from penstock.destinations.dynamodb.table import Key, KeySchema
from penstock.errors import InvalidTableError
from penstock.limits import KIB
from penstock.model.load import Rows
from penstock.model.record import RecordPosition, Reject

MAX_ITEM = 400 * KIB


class Put(NamedTuple):
    """An item to write: its key, its JSON and the row it comes from."""

    key: Key
    json: bytes
    origin: Origin


class UnfitError(Exception):
    """A row that DynamoDB cannot store. Never leaves this folder: the row becomes a reject."""

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.column = column


class ItemMaker:
    """Makes items of rows. For a column that is None, the item has no attribute.

    Raises InvalidTableError if the rows lack a column of the key.
    """

    def __init__(self, rows: Rows, schema: KeySchema) -> None:
        columns = dict(zip(rows.names, rows.columns, strict=True))
        if missing := [each.name for each in schema.attributes if each.name not in columns]:
            raise InvalidTableError(f"table {rows.table.name}: no column is named {missing[0]!r}, which is in its key")
        self.rows = rows
        self._columns = [(name, f"{quote(name)}:", column) for name, column in columns.items()]
        self._key = [(each, columns[each.name]) for each in schema.attributes]

    def make(self, row: int) -> Put:
        """The item of a row. Raises UnfitError."""
        name = ""
        try:
            parts = []
            for name, start, column in self._columns:  # noqa: B007  # the name is for the error
                if (value := column[row]) is not None:
                    parts.append(start + encode(value))
            key = []
            for attribute, column in self._key:
                name = attribute.name
                key.append(attribute.value(column[row]))
        except ValueError as error:
            raise UnfitError(str(error), name) from None
        try:
            json = ('{"PutRequest":{"Item":{' + ",".join(parts) + "}}}").encode()
        except UnicodeEncodeError as error:
            raise UnfitError(f"holds {error.object[error.start]!r}, half a surrogate pair") from None
        # An item is never larger than its JSON.
        if len(json) > MAX_ITEM and (size := self._size(row)) > MAX_ITEM:
            raise UnfitError(f"is an item of {size:,} bytes, more than DynamoDB's {MAX_ITEM:,}")
        return Put(tuple(key), json, (self, row))

    def _size(self, row: int) -> int:
        values = ((name, column[row]) for name, _, column in self._columns)
        return item_size((name, value) for name, value in values if value is not None)


Origin: TypeAlias = tuple[ItemMaker, int]


class LastWins:
    """The rows of one chunk for one table, as puts of distinct keys.

    Rows are read from the last to the first, so the first put of a key is the one to write. A row that a later row
    replaces is checked here and not sent. Memory: the keys. ``rejects`` grows while puts are read.
    """

    def __init__(self, schema: KeySchema, parts: Sequence[Rows]) -> None:
        self.rejects: list[Reject] = []
        self._makers = [ItemMaker(rows, schema) for rows in parts]
        self._older: dict[Key, list[Origin]] = {}

    def puts(self) -> Iterator[Put]:
        """One put for each key."""
        seen: set[Key] = set()
        for origin in self._latest_first():
            maker, row = origin
            try:
                put = maker.make(row)
            except UnfitError as unfit:
                self._reject(origin, unfit.reason, unfit.column)
                continue
            if put.key in seen:
                self._older.setdefault(put.key, []).append(origin)
            else:
                seen.add(put.key)
                yield put

    def instead_of(self, refused: Iterable[tuple[Put, str]]) -> list[Put]:
        """Reject what DynamoDB refused, for the reason given; the rows before them with their keys, if any."""
        again = []
        for put, reason in refused:
            self._reject(put.origin, reason)
            if older := self._older.get(put.key):
                maker, row = older.pop(0)
                again.append(maker.make(row))
        return again

    def _latest_first(self) -> Iterator[Origin]:
        backwards = [zip(repeat(maker), reversed(range(maker.rows.count))) for maker in self._makers]
        if len(backwards) == 1:
            return backwards[0]
        return merge(*backwards, key=lambda origin: -_place(origin).row)

    def _reject(self, origin: Origin, reason: str, column: str = "") -> None:
        self.rejects.append(Reject(_place(origin), reason, column))


def _place(origin: Origin) -> RecordPosition:
    maker, row = origin
    return maker.rows.position(row)
