"""DynamoDB in memory: a client with the operations that Penstock uses, and their rules.

Reads of items are strongly consistent, as the adapters ask. The index follows its table after ``lag`` seconds:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from penstock.aws.dynamodb_client import EncodedPuts
from simulation.expressions import InvalidExpressionError, Item, condition, update

INDEX_KEY, INDEX_TIME = "index_key", "index_time"
Entry = tuple[str, float] | None
MOST_PUTS, MOST_KEYS, MOST_ACTIONS = 25, 100, 100


def ignore(*given: object, **named: object) -> None:
    """Take anything, and do nothing."""


def refused(operation: str, code: str, message: str = "", status: int = 400, **more: Any) -> ClientError:
    """The error of a service."""
    answer: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    return ClientError(answer, operation)


class MemoryDynamoDB:
    """The tables of an account, each with a partition key of texts, and the jobs table with its index ``by_time``.

    ``clock`` returns seconds. ``lag`` returns for a write after how many of them the index shows it. ``changed`` is
    called with the key, the old and the new item of each write: the stream of the table.
    """

    def __init__(
        self,
        clock: Callable[[], float] = lambda: 0.0,
        lag: Callable[[], float] = lambda: 0.0,
        changed: Callable[[str, str, Item, Item], object] = ignore,
    ) -> None:
        self.tables: dict[str, dict[str, Item]] = {}
        self._keys: dict[str, str] = {}
        self.meta = SimpleNamespace(events=SimpleNamespace(register=ignore))
        self._clock = clock
        self._lag = lag
        self._changed = changed
        self._index: dict[str, dict[str, dict[str, float]]] = {}
        self._pending: deque[tuple[float, str, str, Entry, Entry]] = deque()

    def create_table(self, **request: Any) -> Mapping[str, Any]:
        self.tables.setdefault(request["TableName"], {})
        self._keys[request["TableName"]] = request.get("KeySchema", [{"AttributeName": "pk"}])[0]["AttributeName"]
        self._index.setdefault(request["TableName"], {})
        return {}

    def describe_table(self, **request: Any) -> Mapping[str, Any]:
        self._table("DescribeTable", request["TableName"])
        return {
            "Table": {
                "KeySchema": [{"AttributeName": self._keys[request["TableName"]], "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": self._keys[request["TableName"]], "AttributeType": "S"}],
                "TableStatus": "ACTIVE",
            }
        }

    def get_item(self, **request: Any) -> Mapping[str, Any]:
        found = self._table("GetItem", request["TableName"]).get(_key(request["Key"]))
        return {"Item": dict(found)} if found else {}

    def update_item(self, **request: Any) -> Mapping[str, Any]:
        new = self._updated("UpdateItem", request)
        if new is None:
            raise refused("UpdateItem", "ConditionalCheckFailedException", "The conditional request failed")
        self._write(request["TableName"], _key(request["Key"]), new)
        return {"Attributes": dict(new)}

    def delete_item(self, **request: Any) -> Mapping[str, Any]:
        if _key(request["Key"]) in self._table("DeleteItem", request["TableName"]):
            self._write(request["TableName"], _key(request["Key"]), None)
        return {}

    def transact_write_items(self, **request: Any) -> Mapping[str, Any]:
        """Write all items or none. A transaction names each item once."""
        updates = [action["Update"] for action in request["TransactItems"]]
        keys = [(one["TableName"], _key(one["Key"])) for one in updates]
        if len(updates) > MOST_ACTIONS or max(Counter(keys).values()) > 1:
            raise refused("TransactWriteItems", "ValidationException")
        new = [self._updated("TransactWriteItems", one) for one in updates]
        if None in new:
            reasons = [{"Code": "None" if one is not None else "ConditionalCheckFailed"} for one in new]
            raise refused("TransactWriteItems", "TransactionCanceledException", CancellationReasons=reasons)
        for (table, key), item in zip(keys, new, strict=True):
            assert item is not None
            self._write(table, key, item)
        return {}

    def batch_write_item(self, **request: Any) -> Mapping[str, Any]:
        given = request["RequestItems"]
        if isinstance(given, EncodedPuts):
            given = json.loads(given.body)["RequestItems"]
        puts = [(table, one["PutRequest"]["Item"]) for table, ones in given.items() for one in ones]
        keys = Counter((table, item[self._keys[table]]["S"]) for table, item in puts)
        if not puts or len(puts) > MOST_PUTS or max(keys.values()) > 1:
            raise refused("BatchWriteItem", "ValidationException", "Provided list of item keys contains duplicates")
        for table, item in puts:
            self._table("BatchWriteItem", table)
            self._write(table, item[self._keys[table]]["S"], dict(item))
        return {"UnprocessedItems": {}}

    def batch_get_item(self, **request: Any) -> Mapping[str, Any]:
        answers: dict[str, list[Item]] = {}
        for table, wanted in request["RequestItems"].items():
            keys = [_key(one) for one in wanted["Keys"]]
            if len(keys) > MOST_KEYS or len(set(keys)) < len(keys):
                raise refused("BatchGetItem", "ValidationException")
            items = self._table("BatchGetItem", table)
            answers[table] = [dict(items[key]) for key in keys if key in items]
        return {"Responses": answers, "UnprocessedKeys": {}}

    def query(self, **request: Any) -> Mapping[str, Any]:
        """Query the index: what it shows by now, in order of time."""
        self._table("Query", request["TableName"])
        self._catch_up()
        holds, bound = condition(request["KeyConditionExpression"]), request["ExpressionAttributeValues"]
        found = []
        partition = bound[":key"]["S"]
        for key, at in self._index[request["TableName"]].get(partition, {}).items():
            item = {"pk": {"S": key}, INDEX_KEY: {"S": partition}, INDEX_TIME: {"N": repr(at)}}
            if holds(item, {}, bound):
                found.append((at, key, item))
        found.sort(key=lambda one: one[:2], reverse=not request.get("ScanIndexForward", True))
        if start := request.get("ExclusiveStartKey"):
            after = float(start[INDEX_TIME]["N"]), start["pk"]["S"]
            found = found[[one[:2] for one in found].index(after) + 1 :]
        limit = request.get("Limit", len(found))
        items = [item for _, _, item in found[:limit]]
        return {"Items": items, **({"LastEvaluatedKey": items[-1]} if len(found) > limit else {})}

    def scan(self, **request: Any) -> Mapping[str, Any]:
        items = self._table("Scan", request["TableName"])
        keeps = condition(request["FilterExpression"]) if "FilterExpression" in request else None
        names, bound = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
        return {"Items": [dict(one) for one in items.values() if keeps is None or keeps(one, names, bound)]}

    def get_paginator(self, operation: str) -> Paginator:
        return Paginator(getattr(self, operation))

    def due_times(self, table: str, prefixes: Sequence[str]) -> Iterator[float]:
        """Yield the times of the items of an index, as they will be: for a scheduler that skips idle time."""
        for item in self.tables[table].values():
            if item.get(INDEX_KEY, {}).get("S", "").startswith(tuple(prefixes)):
                yield float(item[INDEX_TIME]["N"])

    def _table(self, operation: str, name: str) -> dict[str, Item]:
        if name not in self.tables:
            raise refused(operation, "ResourceNotFoundException", name)
        return self.tables[name]

    def _updated(self, operation: str, request: Mapping[str, Any]) -> Item | None:
        """Return the item as an update makes it; None if its condition does not hold."""
        table, key = self._table(operation, request["TableName"]), _key(request["Key"])
        names, bound = request.get("ExpressionAttributeNames", {}), request.get("ExpressionAttributeValues", {})
        old = table.get(key, {})
        try:
            if "ConditionExpression" in request and not condition(request["ConditionExpression"])(old, names, bound):
                return None
            new = old | {"pk": {"S": key}}
            for change in update(request["UpdateExpression"]):
                change(new, old, names, bound)
        except (InvalidExpressionError, KeyError) as error:
            raise refused(operation, "ValidationException", repr(error)) from error
        return new

    def _write(self, table: str, key: str, new: Item | None) -> None:
        old = self.tables[table].get(key, {})
        if new is None:
            del self.tables[table][key]
            new = {}
        else:
            self.tables[table][key] = new
        entry = (new[INDEX_KEY]["S"], float(new[INDEX_TIME]["N"])) if INDEX_KEY in new else None
        before = (old[INDEX_KEY]["S"], float(old[INDEX_TIME]["N"])) if INDEX_KEY in old else None
        if entry != before:
            latest = self._pending[-1][0] if self._pending else 0.0
            # An index applies the writes of its table in their order.
            self._pending.append((max(latest, self._clock() + self._lag()), table, key, before, entry))
        self._changed(table, key, old, new)

    def _catch_up(self) -> None:
        while self._pending and self._pending[0][0] <= self._clock():
            _, table, key, before, entry = self._pending.popleft()
            if before:
                self._index[table][before[0]].pop(key, None)
            if entry:
                self._index[table].setdefault(entry[0], {})[key] = entry[1]


class Paginator:
    """Pages of an operation, by its token."""

    def __init__(self, operation: Callable[..., Mapping[str, Any]]) -> None:
        self._operation = operation

    def paginate(self, **request: Any) -> Iterator[Mapping[str, Any]]:
        while True:
            page = self._operation(**request)
            yield page
            if "LastEvaluatedKey" in page:
                request["ExclusiveStartKey"] = page["LastEvaluatedKey"]
            elif page.get("IsTruncated"):
                request |= {name.removeprefix("Next"): page[name] for name in page if name.startswith("Next")}
            else:
                return


def _key(item: Mapping[str, Any]) -> str:
    return str(item["pk"]["S"])
