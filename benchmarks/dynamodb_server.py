"""A DynamoDB that costs next to nothing and answers after a set time, as the service does for many clients at once.

    with light_server(latency=0.005) as endpoint: ...

It runs in a process of its own and does what loading items and a jobs table need: BatchWriteItem, whose bodies it keeps
until `written` asks for the items, DescribeTable, UpdateItem and GetItem of one key, TransactWriteItems of updates, and
Query, which finds nothing. It checks nothing, conditions neither: correctness against DynamoDB's rules is tested on the
emulator.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.request import urlopen

TABLE = {
    "TableStatus": "ACTIVE",
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024  # with five, as is usual, a burst of connections waits a second for its second try

    def __init__(self, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.latency = latency
        self.bodies: defaultdict[str, list[bytes]] = defaultdict(list)
        self.items: defaultdict[str, dict[str, Any]] = defaultdict(dict)

    def handle_error(self, request: object, client_address: object) -> None:
        """A function that is killed hangs up; that is its own affair."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # the header in one piece
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(self.server.latency)
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        self._answer(_OPERATIONS.get(operation, _nothing)(self.server, body))

    def do_GET(self) -> None:
        """Not of DynamoDB: the requests of BatchWriteItem to a table, which are then forgotten."""
        bodies = self.server.bodies.pop(self.path.strip("/"), [])
        self._answer([json.loads(body)["RequestItems"] for body in bodies])

    def _answer(self, answer: Any) -> None:
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it so
        """Say nothing."""


def _batch_write(server: _Server, body: bytes) -> Any:
    server.bodies[body.split(b'"', 4)[3].decode()].append(body)
    return {"UnprocessedItems": {}}


def _describe(_server: _Server, _body: bytes) -> Any:
    return {"Table": TABLE}


def _get(server: _Server, body: bytes) -> Any:
    item = server.items.get(_key(json.loads(body)))
    return {"Item": item} if item else {}


def _update(server: _Server, body: bytes) -> Any:
    return _updated(server, json.loads(body))


def _transact(server: _Server, body: bytes) -> Any:
    for action in json.loads(body)["TransactItems"]:
        _updated(server, action["Update"])
    return {}


def _updated(server: _Server, request: dict[str, Any]) -> Any:
    """``SET #a = :a, #b = if_not_exists(#b, :b) REMOVE #d ADD #c :c``."""
    names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
    item = server.items[_key(request)]
    first, _, adds = request["UpdateExpression"].removeprefix("SET ").partition(" ADD ")
    sets, _, removed = first.partition(" REMOVE ")
    for name in filter(None, removed.split(", ")):
        item.pop(names[name], None)
    for name, _, value in (each.partition(" = ") for each in sets.split(", #")):
        attribute = names["#" + name.strip("#")]
        if not value.startswith("if_not_exists"):
            item[attribute] = values[value]
        elif attribute not in item:
            item[attribute] = values[value.partition(", ")[2].strip(")")]
    for name, value in (each.split() for each in adds.split(", ") if each):
        before = int(item.get(names[name], {"N": "0"})["N"])
        item[names[name]] = {"N": str(before + int(values[value]["N"]))}
    return {"Attributes": item} if request.get("ReturnValues") else {}


def _nothing(_server: _Server, _body: bytes) -> Any:
    return {}


def _key(request: dict[str, Any]) -> str:
    return json.dumps([request["TableName"], request["Key"]])


def _query(_server: _Server, _body: bytes) -> Any:
    return {"Items": [], "Count": 0, "ScannedCount": 0}


_OPERATIONS = {
    "BatchWriteItem": _batch_write,
    "DescribeTable": _describe,
    "GetItem": _get,
    "Query": _query,
    "TransactWriteItems": _transact,
    "UpdateItem": _update,
}


def written(endpoint: str, table: str) -> dict[str, Any]:
    """The items that were put into a table since the last time, by their ``id``, as DynamoDB writes JSON."""
    with urlopen(f"{endpoint}/{table}") as answer:
        requests = json.load(answer)
    items = (put["PutRequest"]["Item"] for request in requests for put in request[table])
    return {item["id"]["S"]: item for item in items}


@contextmanager
def light_server(latency: float) -> Iterator[str]:
    """Its endpoint, for as long as the block runs."""
    command = [sys.executable, "-m", "benchmarks.dynamodb_server", str(latency)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        yield process.stdout.readline().strip()
        process.stdin.close()


def main() -> None:
    server = _Server(float(sys.argv[1]))
    Thread(target=server.serve_forever, daemon=True).start()
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    sys.stdin.read()  # until whoever started it lets go


if __name__ == "__main__":
    main()
