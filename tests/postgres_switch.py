"""A proxy for PostgreSQL that can be closed and reopened. Closing it breaks connections and refuses new ones."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

HOST = "127.0.0.1"


class PostgresSwitch:
    """``dsn`` leads to the server while the proxy is open."""

    def __init__(self, dsn: str) -> None:
        parameters = conninfo_to_dict(dsn)
        self._server = (str(parameters["host"]), int(parameters.get("port") or 5432))
        self._listener = socket.create_server((HOST, 0))
        self._address = self._listener.getsockname()
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self.dsn = _leading_to(self._address, dsn)
        self._accept()

    def close(self) -> None:
        """Make the database unreachable."""
        # Without shutdown(), a waiting accept() takes one more connection.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connected in self._sockets:
                with suppress(OSError):
                    connected.shutdown(socket.SHUT_RDWR)
            self._sockets.clear()

    def open(self) -> None:
        """Make the database reachable again."""
        self._listener = socket.create_server(self._address)
        self._accept()

    def _accept(self) -> None:
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()

    def _serve(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(self._server)
                with self._lock:
                    self._sockets += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=_forward, args=ends, daemon=True).start()


def _leading_to(address: tuple[str, int], dsn: str) -> str:
    """The DSN of the same database at another address, as a URL, which is the only form that the template accepts."""
    parts = urlsplit(dsn)
    user = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{user}@{address[0]}:{address[1]}").geturl()


def _forward(origin: socket.socket, end: socket.socket) -> None:
    with suppress(OSError):
        while data := origin.recv(65_536):
            end.sendall(data)
    for connected in (origin, end):
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)
    origin.close()


@contextmanager
def switched(dsn: str) -> Iterator[PostgresSwitch]:
    """An open proxy, which is closed at the end of the block."""
    switch = PostgresSwitch(dsn)
    try:
        yield switch
    finally:
        switch.close()
