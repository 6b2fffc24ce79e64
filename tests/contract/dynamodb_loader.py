"""A loader that a test kills: `python -m contract.dynamodb_loader URL TABLE FOLDER` loads generated rows.

It prints "begun" at the start, "chunk N" after each chunk and "done ROWS REJECTS" at the end. After each chunk, it
writes the numbers of the rejected rows to a file in FOLDER, as a delivery does. The index of the test's table rejects
a row whose number ends in 97, and one that ends in 51 does not fit an item. Each id comes a second time, changed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from contract.dynamodb_tables import DynamoServer, Row, plan_of, rows_of
from penstock.model.load import Chunk
from penstock.model.table import Mode, Table

IDS = 1000
ROWS = 2 * IDS
CHUNK = 80


def row(number: int) -> Row:
    owner: object = number if number % 100 == 97 else f"owner {number}"
    return {"id": f"{number % IDS:05}", "owner": owner, "n": float("nan") if number % 100 == 51 else number}


def main(url: str, name: str, folder: str) -> None:
    server = DynamoServer(url)
    table = Table(name, mode=Mode.UPSERT)
    with server.sink(server.bookmark(name)) as sink:
        resume = sink.begin(plan_of(table))
        print("begun", flush=True)  # noqa: T201  # to the test
        counts = [resume.rows, resume.rejects]
        for number in range(resume.chunk, -(-ROWS // CHUNK)):
            numbers = range(number * CHUNK, min(ROWS, (number + 1) * CHUNK))
            rows = rows_of([row(n) for n in numbers], table, numbers)
            loaded = sink.load(Chunk(number, numbers.stop * 10, numbers.stop + 1, len(numbers), [rows]))
            rejected = json.dumps([reject.position.row - 1 for reject in loaded.rejects])
            Path(folder, f"{number}.json").write_text(rejected)
            counts[0] += loaded.rows
            counts[1] += len(loaded.rejects)
            print("chunk", number, flush=True)  # noqa: T201  # to the test
        sink.finish()
        print("done", *counts, flush=True)  # noqa: T201  # to the test


if __name__ == "__main__":
    main(*sys.argv[1:])
