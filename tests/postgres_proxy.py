"""A proxy for PostgreSQL that cuts a connection at a chosen point. It does not support encrypted connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict, make_conninfo


@dataclass
class PostgresProxy:
    """``before``: cut instead of forwarding data that contains these bytes. ``after``: forward it, and cut instead of
    forwarding the response. ``limit``: cut after so many more bytes. The next client is not cut."""

    dsn: str
    before: bytes = b""
    after: bytes = b""
    limit: int = 0
    cuts: int = 0

    def forward(self, data: bytes) -> tuple[bytes, bool, bool]:
        """The data to forward, whether to cut then, and whether to wait for the server's response before."""
        if self.before and self.before in data:
            self.before = b""
            return b"", True, False
        if self.after and self.after in data:
            self.after = b""
            return data, True, True
        if self.limit:
            if len(data) >= self.limit:
                kept, self.limit = data[: self.limit], 0
                return kept, True, False
            self.limit -= len(data)
        return data, False, False


@contextmanager
def proxied(dsn: str) -> Iterator[PostgresProxy]:
    parameters = conninfo_to_dict(dsn)
    server = (str(parameters["host"]), int(parameters.get("port") or 5432))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        proxy = PostgresProxy(make_conninfo(dsn, host="127.0.0.1", port=port, sslmode="disable"))
        thread = threading.Thread(target=_accept, args=(listener, server, proxy), daemon=True)
        thread.start()
        yield proxy
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listener: socket.socket, server: tuple[str, int], proxy: PostgresProxy) -> None:
    threads = []
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threads.append(threading.Thread(target=_serve, args=(client, server, proxy), daemon=True))
            threads[-1].start()
    for thread in threads:
        thread.join()


def _serve(client: socket.socket, address: tuple[str, int], proxy: PostgresProxy) -> None:
    with client, socket.create_connection(address) as server:
        silent = threading.Event()
        answers = threading.Thread(target=_answer, args=(server, client, silent), daemon=True)
        answers.start()
        with suppress(OSError):
            while data := client.recv(65536):
                passed, cut, await_answer = proxy.forward(data)
                if await_answer:
                    silent.set()
                # Counted first: once the server has the data, the other thread may end the connection of the test.
                proxy.cuts += cut
                server.sendall(passed)
                if cut and not await_answer:
                    break
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        answers.join()


def _answer(server: socket.socket, client: socket.socket, silent: threading.Event) -> None:
    with suppress(OSError):
        while data := server.recv(65536):
            if silent.is_set():
                break
            client.sendall(data)
    with suppress(OSError):
        client.shutdown(socket.SHUT_RDWR)
