"""A fake DynamoDB of one table that throttles, leaves items unprocessed, loses responses and rejects items on request.

It replaces a boto3 client, and checks the limits of requests.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from threading import Lock
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError, ReadTimeoutError

from penstock.aws.dynamodb_client import EncodedPuts

Item = dict[str, Any]
MAX_PUTS = 25
MAX_REQUEST = 16 * 1024 * 1024


def refusal(code: str, status: int = 400, operation: str = "BatchWriteItem") -> ClientError:
    """An error response."""
    metadata: Any = {"HTTPStatusCode": status}
    return ClientError({"Error": {"Code": code, "Message": "injected"}, "ResponseMetadata": metadata}, operation)


THROTTLES = (
    refusal("ProvisionedThroughputExceededException"),
    refusal("ThrottlingException"),
    refusal("RequestLimitExceeded"),
    refusal("InternalServerError", 500),
)


@dataclass(frozen=True, slots=True)
class LeavesUnprocessed:
    """All items are written except those at these positions."""

    positions: Iterable[int]


@dataclass(frozen=True, slots=True)
class LosesResponse:
    """All items are written, but the response is lost."""


Fault = LeavesUnprocessed | LosesResponse | ClientError | None


def random_faults(seed: int, share: float) -> Callable[[Sequence[Item]], Fault]:
    """Faults of every kind, for this share of requests."""
    random = Random(seed)

    def draw(items: Sequence[Item]) -> Fault:
        if random.random() > share:
            return None
        left = random.sample(range(len(items)), random.randint(1, len(items)))
        faults: list[Fault] = [
            *THROTTLES,
            LosesResponse(),
            LeavesUnprocessed(left),
            LeavesUnprocessed(left),
            LeavesUnprocessed(left),
        ]
        return random.choice(faults)

    return draw


class FaultyDynamo:
    """``fault`` returns the fault of a request. ``refuses`` returns whether an item is invalid for DynamoDB."""

    def __init__(
        self,
        fault: Callable[[Sequence[Item]], Fault] = lambda items: None,
        *,
        refuses: Callable[[Item], bool] = lambda item: False,
        key: Sequence[tuple[str, str]] = (("id", "S"),),
    ) -> None:
        self.items: dict[object, Item] = {}
        self.requests: list[list[Item]] = []
        self.descriptions: list[Any] = []
        self.meta = SimpleNamespace(events=SimpleNamespace(register=lambda *args, **kwargs: None))
        self._fault = fault
        self._refuses = refuses
        self._key = key
        self._lock = Lock()

    def describe_table(self, *, TableName: str) -> Any:  # noqa: N803  # the name in boto3
        """Return or raise the entries of ``descriptions`` first, then return the real description."""
        if self.descriptions:
            answer = self.descriptions.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return {"Table": answer}
        schema = [{"AttributeName": n, "KeyType": t} for (n, _), t in zip(self._key, ("HASH", "RANGE"), strict=False)]
        types = [{"AttributeName": name, "AttributeType": type_} for name, type_ in self._key]
        return {"Table": {"TableStatus": "ACTIVE", "KeySchema": schema, "AttributeDefinitions": types}}

    def batch_write_item(self, *, RequestItems: EncodedPuts) -> Any:  # noqa: N803  # the same
        with self._lock:
            ((table, puts),) = json.loads(RequestItems.body)["RequestItems"].items()
            items = [put["PutRequest"]["Item"] for put in puts]
            self.requests.append(items)
            fault = self._fault(items)
            if isinstance(fault, ClientError):
                raise fault
            keys = list(map(self._key_of, items))
            wrong = not 1 <= len(items) <= MAX_PUTS or len(RequestItems.body) > MAX_REQUEST
            if wrong or len(set(keys)) < len(keys) or any(map(self._refuses, items)):
                raise refusal("ValidationException")
            left = set(fault.positions) if isinstance(fault, LeavesUnprocessed) else set()
            self.items |= {keys[n]: item for n, item in enumerate(items) if n not in left}
            if isinstance(fault, LosesResponse):
                raise ReadTimeoutError(endpoint_url="https://dynamodb")
            return {"UnprocessedItems": {table: [puts[n] for n in left]} if left else {}}

    def _key_of(self, item: Item) -> object:
        return tuple(Decimal(item[n]["N"]) if kind == "N" else item[n]["S"] for n, kind in self._key)
