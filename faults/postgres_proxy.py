"""The proxy between one invocation and PostgreSQL: it injects faults before a statement or before its response.

Only for unencrypted connections. https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from faults.schedule import KILLS, Fault, Kill, Schedule

KINDS = (Fault.RESET, Fault.LOST, Fault.BUSY, Fault.SLOW, Fault.KILL_BEFORE, Fault.KILL_AFTER, Fault.TIMED_OUT)
# The server does not respond to copied data.
COPYING = (Fault.RESET, Fault.BUSY, Fault.SLOW, Fault.KILL_BEFORE, Fault.TIMED_OUT)
NOT_DONE = {Fault.RESET, Fault.BUSY, Fault.KILL_BEFORE, Fault.TIMED_OUT}
# Message types: simple query, parse, sync (end of an extended query), end of a COPY, copied data.
QUERY, PARSE, SYNC, COPIED, COPY = b"Q", b"P", b"S", b"c", b"d"
# What the server sends when a cluster fails over or an operator ends sessions.
ENDED = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
LABEL = 40


@contextmanager
def postgres_proxy(dsn: str, schedule: Schedule, kill: Kill) -> Iterator[str]:
    """The DSN of a proxy before the server of ``dsn``; ``kill`` ends the function that uses it."""
    parameters = conninfo_to_dict(dsn)
    server = (str(parameters["host"]), int(parameters.get("port") or 5432))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = Thread(target=_accept, args=(listener, server, schedule, kill), daemon=True)
        thread.start()
        try:
            yield make_conninfo(dsn, host="127.0.0.1", port=listener.getsockname()[1], sslmode="disable")
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _accept(listener: socket.socket, address: tuple[str, int], schedule: Schedule, kill: Kill) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            Thread(target=_serve, args=(client, address, schedule, kill), daemon=True).start()


def _serve(client: socket.socket, address: tuple[str, int], schedule: Schedule, kill: Kill) -> None:
    with client, socket.create_connection(address) as server, suppress(OSError):
        _Session(client, server, schedule, kill).run()


@dataclass
class _Session:
    client: socket.socket
    server: socket.socket
    schedule: Schedule
    kill: Kill
    silent: bool = False
    answered: Event = field(default_factory=Event)
    statement: str = ""

    def run(self) -> None:
        answers = Thread(target=self._forward_answers, daemon=True)
        answers.start()
        try:
            kinds = 0
            while self._forward_message(*self._next_message(kinds=kinds)):
                kinds = 1
        finally:
            with suppress(OSError):
                self.server.shutdown(socket.SHUT_RDWR)
            answers.join()

    def _forward_message(self, kind: bytes, message: bytes) -> bool:
        """Forward one message of the client; return whether the session continues."""
        if not message:
            return False
        fault = self._fault_of(kind, message)
        if fault is Fault.SLOW:
            time.sleep(self.schedule.rng("delay").uniform(0.02, 0.2))
        if fault is None or fault is Fault.SLOW:
            self.server.sendall(message)
            return True
        if fault not in NOT_DONE:
            self.answered.clear()
            self.silent = True
            self.server.sendall(message)
            self.answered.wait(5)
        if fault is Fault.BUSY:
            self.client.sendall(b"E" + struct.pack("!i", len(ENDED) + 4) + ENDED)
        if fault in KILLS:
            self.kill(fault)
        return False

    def _fault_of(self, kind: bytes, message: bytes) -> Fault | None:
        if kind in (QUERY, PARSE):
            text = message[5:] if kind == QUERY else message[5:].partition(b"\0")[2]
            self.statement = " ".join(text.partition(b"\0")[0].decode(errors="replace").split())[:LABEL]
        if kind in (QUERY, SYNC):
            return self.schedule.draw(f"SQL {self.statement}", KINDS)
        if kind == COPIED:
            return self.schedule.draw("SQL end of copy", KINDS)
        if kind == COPY:
            return self.schedule.draw("SQL copy", COPYING, rate_factor=0.2)
        return None if kind else self.schedule.draw("SQL connect", KINDS)

    def _next_message(self, *, kinds: int) -> tuple[bytes, bytes]:
        """The message's type (the first message has none) and its bytes; empty at the end."""
        kind = self._read(kinds)
        head = self._read(4)
        if len(head) < 4:
            return b"", b""
        return kind, kind + head + self._read(struct.unpack("!i", head)[0] - 4)

    def _read(self, size: int) -> bytes:
        found = bytearray()
        while len(found) < size:
            more = self.client.recv(min(size - len(found), 1 << 20))
            if not more:
                break
            found += more
        return bytes(found)

    def _forward_answers(self) -> None:
        with suppress(OSError):
            while data := self.server.recv(65536):
                if self.silent:
                    break
                self.client.sendall(data)
        self.answered.set()
        with suppress(OSError):
            self.client.shutdown(socket.SHUT_RDWR)
