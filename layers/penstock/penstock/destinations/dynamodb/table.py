"""The key of a table, and whether the columns of a route fit it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from penstock.aws.dynamodb_values import number_text
from penstock.errors import DestinationMissingError, InvalidTableError
from penstock.model.column import ANY, ColumnType, Storage
from penstock.model.table import Mode, Table

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_BYTES = {"HASH": 2048, "RANGE": 1024}

# Column types that are stored as a string or as a number. Other types cannot be a key.
COLUMN_TYPES = {
    "S": (ColumnType.TEXT, ColumnType.DATE, ColumnType.TIMESTAMP),
    "N": (ColumnType.INTEGER, ColumnType.NUMERIC, ColumnType.FLOAT),
}
_STORED = {"S": ColumnType.TEXT, "N": ColumnType.NUMERIC}
WORDS = {"S": "a string", "N": "a number", "B": "binary"}

missing_table = partial(DestinationMissingError, hint="Create the DynamoDB table, or correct the route's destination.")

Key: TypeAlias = tuple[str | Decimal, ...]


@dataclass(frozen=True, slots=True)
class KeyAttribute:
    """One attribute of a key. ``kind`` is S or N; ``most`` is the maximum number of bytes of a string."""

    name: str
    kind: str
    most: int

    def value(self, value: object) -> str | Decimal:
        """The value that identifies the item: two are equal if, and only if, DynamoDB takes them for one key.

        Raises ValueError, with the reason of a reject, if the value cannot be this key.
        """
        if value is None:
            raise ValueError("is part of the key, but null")
        match value:
            case int() | float() | Decimal() if self.kind == "N" and not isinstance(value, bool):
                return Decimal(number_text(value))
            case str() if self.kind == "S":
                text = value
            case date() if self.kind == "S":
                text = value.isoformat()
            case _:
                raise ValueError(f"is part of the key and must be {WORDS[self.kind]}, not a {type(value).__name__}")
        if not text:
            raise ValueError("is part of the key, but empty")
        if (size := len(text.encode(errors="surrogatepass"))) > self.most:
            raise ValueError(f"is part of the key and has {size:,} bytes, more than {self.most:,}")
        return text


@dataclass(frozen=True, slots=True)
class KeySchema:
    """The key of a table: the partition key, then the sort key if there is one."""

    attributes: tuple[KeyAttribute, ...]

    @classmethod
    def of(cls, description: TableDescriptionTypeDef) -> KeySchema:
        """The key in an answer of DescribeTable."""
        kinds = {each["AttributeName"]: each["AttributeType"] for each in description["AttributeDefinitions"]}
        # The partition key comes first.
        schema = [(each["AttributeName"], each["KeyType"]) for each in description["KeySchema"]]
        return cls(tuple(KeyAttribute(name, kinds[name], MAX_BYTES[role]) for name, role in schema))

    def key_of(self, item: dict[str, Any]) -> Key:
        """The key of an item of attribute values, as `KeyAttribute.value` returns it."""
        return tuple(
            Decimal(item[each.name]["N"]) if each.kind == "N" else item[each.name]["S"] for each in self.attributes
        )

    def storages(self, table: Table) -> dict[str, Storage]:
        """How items store columns: the key as the table defines it, an inferred time as its text, and a field without a
        column as an attribute of its own type."""
        times = {ColumnType.DATE, ColumnType.TIMESTAMP}
        held = {column.name: Storage() for column in table.columns if column.spellings and column.type in times}
        held[ANY] = Storage(ColumnType.JSON)
        return held | {each.name: Storage(_STORED[each.kind]) for each in self.attributes if each.kind in _STORED}

    def check(self, table: Table) -> None:
        """Raises InvalidTableError if the route's columns, mode or key do not fit this table."""
        key = ", ".join(f"{each.name!r} ({WORDS[each.kind]})" for each in self.attributes)
        if table.mode is not Mode.UPSERT:
            raise InvalidTableError(f"table {table.name}: DynamoDB writes items by their key; mode must be upsert")
        if table.key and set(table.key) != {each.name for each in self.attributes}:
            raise InvalidTableError(f"table {table.name}: its key is {key}, not {', '.join(map(repr, table.key))}")
        columns = {column.name: column.type for column in table.columns}
        for each in self.attributes:
            if each.kind not in COLUMN_TYPES:
                raise InvalidTableError(f"table {table.name}: records have no value for its key, {key}")
            if columns and each.name not in columns:
                raise InvalidTableError(f"table {table.name}: its key is {key}, but no column is named {each.name!r}")
            if columns and columns[each.name] not in COLUMN_TYPES[each.kind]:
                raise InvalidTableError(
                    f"table {table.name}: its key is {key}, but column {each.name!r} is {columns[each.name]}",
                    hint=f"Declare the column as one of {', '.join(COLUMN_TYPES[each.kind])}.",
                )
