"""A DynamoDB that costs next to nothing and answers after a set time, as the service does for many clients at once.

    with light_server(latency=0.005) as endpoint: ...

It runs in a process of its own, keeps the bodies of BatchWriteItem and counts their items when it is asked for them,
and checks nothing: correctness against DynamoDB's rules is tested on the emulator.
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


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, latency: float) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.latency = latency
        self.written: defaultdict[str, list[bytes]] = defaultdict(list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # the header in one piece
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        if operation == "BatchWriteItem":
            table = body.split(b'"', 4)[3].decode()
            self.server.written[table].append(body)
            time.sleep(self.server.latency)
            self._answer({"UnprocessedItems": {}})
        elif operation == "DescribeTable":
            key = {"AttributeName": "id", "KeyType": "HASH"}
            kind = {"AttributeName": "id", "AttributeType": "S"}
            self._answer({"Table": {"TableStatus": "ACTIVE", "KeySchema": [key], "AttributeDefinitions": [kind]}})
        elif operation == "Scan":
            self._answer({"Count": self._count(json.loads(body)["TableName"])})
        else:
            self._answer({})

    def _count(self, table: str) -> int:
        """Distinct keys that were written."""
        bodies = map(json.loads, self.server.written.pop(table, []))
        return len({put["PutRequest"]["Item"]["id"]["S"] for body in bodies for put in body["RequestItems"][table]})

    def _answer(self, answer: dict[str, Any]) -> None:
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it so
        """Say nothing."""


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
