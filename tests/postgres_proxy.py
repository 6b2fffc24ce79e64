"""A wire between a client and PostgreSQL that can be cut at a chosen moment. Not for encrypted connections."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from psycopg.conninfo import conninfo_to_dict, make_conninfo


@dataclass
class Wire:
    """``before``: cut instead of passing on what holds these bytes. ``after``: pass it on, and cut instead of
    passing on the answer. ``limit``: cut after so many more bytes. The wire is whole again for the next client."""

    dsn: str
    before: bytes = b""
    after: bytes = b""
    limit: int = 0
    cuts: int = 0

    def client_says(self, data: bytes) -> tuple[bytes, bool, bool]:
        """What of it reaches the server, whether the wire is then cut, and whether only once there is an answer."""
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
def wire_to(dsn: str) -> Iterator[Wire]:
    parameters = conninfo_to_dict(dsn)
    server = (str(parameters["host"]), int(parameters.get("port") or 5432))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        wire = Wire(make_conninfo(dsn, host="127.0.0.1", port=port, sslmode="disable"))
        thread = threading.Thread(target=_accept, args=(listener, server, wire), daemon=True)
        thread.start()
        yield wire
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listener: socket.socket, server: tuple[str, int], wire: Wire) -> None:
    threads = []
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threads.append(threading.Thread(target=_serve, args=(client, server, wire), daemon=True))
            threads[-1].start()
    for thread in threads:
        thread.join()


def _serve(client: socket.socket, address: tuple[str, int], wire: Wire) -> None:
    with client, socket.create_connection(address) as server:
        silent = threading.Event()
        answers = threading.Thread(target=_answer, args=(server, client, silent), daemon=True)
        answers.start()
        with suppress(OSError):
            while data := client.recv(65536):
                passed, cut, await_answer = wire.client_says(data)
                if await_answer:
                    silent.set()
                server.sendall(passed)
                if cut:
                    wire.cuts += 1
                    if not await_answer:
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
