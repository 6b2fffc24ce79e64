"""A way to PostgreSQL that can be closed and opened again. Closed, it refuses connections; those there are break."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

HOST = "127.0.0.1"


class Switch:
    """``dsn`` leads to the server while the way is open."""

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
        """The database is away."""
        # Closing alone lets an accept() that waits take one connection more.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self._sockets.clear()

    def open(self) -> None:
        """It is there again."""
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
                    threading.Thread(target=_pass_on, args=ends, daemon=True).start()


def _leading_to(address: tuple[str, int], dsn: str) -> str:
    """The same database at another address, as a URL: the template takes no other form."""
    parts = urlsplit(dsn)
    user = parts.netloc.rpartition("@")[0]
    return parts._replace(netloc=f"{user}@{address[0]}:{address[1]}").geturl()


def _pass_on(origin: socket.socket, end: socket.socket) -> None:
    with suppress(OSError):
        while data := origin.recv(65_536):
            end.sendall(data)
    for one in (origin, end):
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
    origin.close()


@contextmanager
def switch_before(dsn: str) -> Iterator[Switch]:
    """A way that is open, and closed at the end."""
    switch = Switch(dsn)
    try:
        yield switch
    finally:
        switch.close()
