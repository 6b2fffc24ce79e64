"""Send a complete transaction in one message, COPY included. The server runs its statements without further requests.

This takes two waits: until the server is ready for rows, and until the end. In between, the server reads the socket's
buffers, and this process builds the next rows. psycopg's own COPY and transactions take seven waits, and must end
before the process can do anything else.
https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-MULTI-STATEMENT
"""

from __future__ import annotations

import select
from collections.abc import Sequence

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result

from penstock.destinations.postgres.connect import Connection

# Bytes per call of libpq, which keeps a copy of the bytes that the socket does not accept.
PIECE = 256 * 1024

_DONE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)


class PipelinedTransaction:
    """One message of statements. From `start` to `finish`, nothing else may use the connection.

    If a statement fails, the statements after it are not executed, and an open transaction stays in the failed state.
    """

    def __init__(self, connection: Connection, statements: Sequence[bytes]) -> None:
        self._pgconn = connection.pgconn
        self._poll = select.poll()
        self._message = b";".join(statements)
        self._answers: list[int] = []

    def start(self, texts: Sequence[bytes]) -> None:
        """Send the statements, and the rows of each COPY. Raises psycopg.Error if a statement before a COPY fails."""
        self._pgconn.send_query(self._message)
        self._flush()
        for text in texts:
            self._await_copy()
            rows = memoryview(text)
            for first in range(0, len(rows), PIECE):
                self._pgconn.put_copy_data(rows[first : first + PIECE])
                self._flush()
            self._pgconn.put_copy_end()
            self._flush()

    def finish(self) -> Sequence[int]:
        """Wait for the end. Return for each statement the number of rows that it wrote, or the number that it selected.

        Raises psycopg.Error if a statement failed.
        """
        failed: pq.abc.PGresult | None = None
        while result := self._result():
            if result.status not in _DONE:
                failed = failed or result
            else:
                self._answers.append(_number(result))
        if failed:
            raise _error(failed)
        return self._answers

    def _await_copy(self) -> None:
        while result := self._result():
            if result.status == pq.ExecStatus.COPY_IN:
                return
            if result.status not in _DONE:
                while self._result():
                    pass
                raise _error(result)
            self._answers.append(_number(result))
        raise psycopg.InternalError("the message has fewer COPY statements than texts")

    def _flush(self) -> None:
        """Wait until the socket has accepted all bytes. Meanwhile, read the server's messages too."""
        while self._pgconn.flush():
            if self._wait(select.POLLIN | select.POLLOUT) & ~select.POLLOUT:
                self._pgconn.consume_input()

    def _result(self) -> pq.abc.PGresult | None:
        while self._pgconn.is_busy():
            self._wait(select.POLLIN)
            self._pgconn.consume_input()
        return self._pgconn.get_result()

    def _wait(self, events: int) -> int:
        # Unlike libpq's own wait, this lets other threads run.
        self._poll.register(self._pgconn.socket, events)
        ((_, event),) = self._poll.poll()
        return event


def _number(result: pq.abc.PGresult) -> int:
    if result.status == pq.ExecStatus.TUPLES_OK and result.ntuples and result.nfields:
        return int(result.get_value(0, 0) or b"0")
    return result.command_tuples or 0


def _error(result: pq.abc.PGresult) -> psycopg.Error:
    if result.error_field(pq.DiagnosticField.SQLSTATE):
        return error_from_result(result)
    return psycopg.OperationalError(result.error_message.decode(errors="replace").strip())
