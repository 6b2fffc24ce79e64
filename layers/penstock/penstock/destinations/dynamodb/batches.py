"""Write items with BatchWriteItem: requests as large as allowed, in parallel, until DynamoDB has written every item."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from threading import Event
from typing import TYPE_CHECKING, TypeAlias

from botocore.exceptions import ClientError

from penstock.aws.backoff import Backoff
from penstock.aws.dynamodb_client import EncodedPuts, take_encoded_puts
from penstock.aws.errors import code_of, translating
from penstock.destinations.dynamodb.items import Put
from penstock.destinations.dynamodb.table import KeySchema, missing_table
from penstock.errors import ServiceUnavailableError
from penstock.limits import KIB

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html allows 25 items and 16 MB.
# Items above 40 KiB do not become faster in shared requests, and the largest item, of 400 KiB, may be 5 MB of JSON.
MAX_PUTS = 25
MAX_BYTES = 1024 * KIB

# Copies of a request in memory: the puts, the body, and with urllib3 1 the body once more after the header.
COPIES = 3

# Errors of an item, not of the service. The second: in a table with a local index, all items of one key exceed 10 GB.
_REFUSALS = frozenset({"ValidationException", "ItemCollectionSizeLimitExceededException"})

Refused: TypeAlias = tuple[Put, str]


class BatchWriter:
    """Writes items. For one calling thread.

    Memory: requests of at most ``budget_bytes`` in all, unless a single item is larger. After ``backoff.attempts``
    rounds in which DynamoDB writes none of a request's items, the writer fails. ``check`` is called before each
    request; its error ends the write at once.
    """

    def __init__(
        self,
        client: DynamoDBClient,
        *,
        budget_bytes: int,
        workers: int,
        backoff: Backoff,
        sleep: Callable[[float], None] = time.sleep,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        take_encoded_puts(client)
        self._check = check
        self._client = client
        self._budget = budget_bytes
        self._batch_bytes = min(MAX_BYTES, budget_bytes // (COPIES * workers))
        # For each request under way another one is ready, so that no worker waits.
        self._most = 2 * workers
        self._backoff = backoff
        self._sleep = sleep
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="dynamodb-put")
        self._over = Event()

    def write(self, table: str, schema: KeySchema, puts: Iterable[Put]) -> list[Refused]:
        """Write puts of distinct keys, in any order. Return the puts that DynamoDB refused; it has written all others.

        Raises ServiceUnavailableError, AccessDeniedError and the other errors of `translating`. Some of the items may
        then be written.
        """
        refused: list[Refused] = []
        under_way: dict[Future[list[Refused]], int] = {}
        for batch in self._batches(puts):
            size = COPIES * sum(len(put.json) for put in batch)
            while under_way and (len(under_way) == self._most or sum(under_way.values()) + size > self._budget):
                refused += _finished(under_way)
            under_way[self._threads.submit(self._send, table, schema, batch)] = size
        while under_way:
            refused += _finished(under_way)
        return refused

    def close(self) -> None:
        """Send no more requests, and wait for those under way."""
        self._over.set()
        self._threads.shutdown()

    def _batches(self, puts: Iterable[Put]) -> Iterator[list[Put]]:
        batch: list[Put] = []
        size = 0
        for put in puts:
            if batch and (len(batch) == MAX_PUTS or size + len(put.json) > self._batch_bytes):
                yield batch
                batch, size = [], 0
            batch.append(put)
            size += len(put.json)
        if batch:
            yield batch

    def _send(self, table: str, schema: KeySchema, puts: Sequence[Put]) -> list[Refused]:
        right = f"dynamodb:BatchWriteItem on table {table}"
        stalled = 0
        while not self._over.is_set():
            problem = ServiceUnavailableError(f"{right}: took none of {len(puts)} items")
            left = puts
            self._check()
            try:
                with translating(right, missing=missing_table):
                    left = self._put(table, schema, puts)
            except _Refusal as refusal:
                return self._split(table, schema, puts, str(refusal))
            except ServiceUnavailableError as error:
                problem = error
            if not left:
                break
            stalled = stalled + 1 if len(left) == len(puts) else 0
            if stalled == self._backoff.attempts:
                raise problem
            self._sleep(self._backoff.delay(max(1, stalled)))
            puts = left
        return []

    def _put(self, table: str, schema: KeySchema, puts: Sequence[Put]) -> Sequence[Put]:
        """Send one request. Return the puts that DynamoDB left unprocessed."""
        try:
            requests = EncodedPuts(table, [put.json for put in puts])
            answer = self._client.batch_write_item(RequestItems=requests)  # type: ignore[arg-type]  # it takes them now
        except ClientError as error:
            if code_of(error) in _REFUSALS:
                raise _Refusal(error.response["Error"].get("Message", code_of(error))) from error
            raise
        left = [
            request["PutRequest"]["Item"] for some in answer.get("UnprocessedItems", {}).values() for request in some
        ]
        if not left:
            return ()
        keys = set(map(schema.key_of, left))
        return [put for put in puts if put.key in keys]

    def _split(self, table: str, schema: KeySchema, puts: Sequence[Put], reason: str) -> list[Refused]:
        """DynamoDB refuses a request with one bad item: find the item by halves."""
        if len(puts) == 1:
            return [(puts[0], f"was refused by DynamoDB: {reason}")]
        middle = len(puts) // 2
        return self._send(table, schema, puts[:middle]) + self._send(table, schema, puts[middle:])


def _finished(under_way: dict[Future[list[Refused]], int]) -> list[Refused]:
    """Wait for the next requests to end, and remove them. Return the puts that they refused."""
    done = wait(under_way, return_when=FIRST_COMPLETED).done
    for request in done:
        del under_way[request]
    return [refused for request in done for refused in request.result()]


class _Refusal(Exception):  # noqa: N818  # the reason of a refused request; never leaves this module
    pass
