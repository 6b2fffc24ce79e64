"""Time and CPU of a transaction that loads one chunk and notes it: one message, and psycopg's own transaction and COPY.

    python -m benchmarks.small_transactions [--chunks 500] [--rows 100]

PostgreSQL is a real server behind a Unix socket, so a wait costs little here; over a network each costs a round trip.
psycopg's pipeline mode is no contender: it refuses COPY
(https://www.psycopg.org/psycopg3/docs/advanced/pipeline.html).
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg

from penstock.destinations.postgres.pipelined_transaction import PipelinedTransaction
from penstock_local import postgres

ROUNDS = 5
COPY = "COPY items FROM STDIN"
NOTE = "INSERT INTO ledger VALUES (%s)"


def one_message(connection: psycopg.Connection, text: bytes, number: int) -> None:
    note = f"INSERT INTO ledger VALUES ({number})".encode()  # a number
    transaction = PipelinedTransaction(connection, [b"BEGIN", COPY.encode(), note, b"COMMIT"])
    transaction.start([text])
    transaction.finish()


def as_psycopg_does(connection: psycopg.Connection, text: bytes, number: int) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        with cursor.copy(COPY) as copy:
            copy.write(text)
        cursor.execute(NOTE, (number,))


def measure(load: Callable[[psycopg.Connection, bytes, int], None], dsn: str, chunks: int, text: bytes) -> list[float]:
    """Median seconds and CPU seconds of all chunks."""
    times, cpu = [], []
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(ROUNDS):
            connection.execute("TRUNCATE items, ledger")
            began, used = time.perf_counter(), time.process_time()
            for number in range(chunks):
                load(connection, text, number)
            times.append(time.perf_counter() - began)
            cpu.append(time.process_time() - used)
    return [statistics.median(times), statistics.median(cpu)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chunks", type=int, default=500)
    parser.add_argument("--rows", type=int, default=100)
    options = parser.parse_args()
    text = b"".join(b"%d\tReservoir\t241\n" % number for number in range(options.rows))
    with tempfile.TemporaryDirectory() as folder, postgres.running(Path(folder) / "postgres") as dsn:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE items (id int, title text, seconds int)")
            connection.execute("CREATE TABLE ledger (chunk int)")
        found = {load.__name__: measure(load, dsn, options.chunks, text) for load in (one_message, as_psycopg_does)}
    ours = found["one_message"]
    for name, (seconds, cpu) in found.items():
        each = 1e3 / options.chunks
        print(
            f"{name:16} {seconds * each:6.2f} ms ({seconds / ours[0]:4.2f} x), "
            f"CPU {cpu * each:6.2f} ms ({cpu / ours[1]:4.2f} x) a transaction of {options.rows} rows"
        )


if __name__ == "__main__":
    main()
