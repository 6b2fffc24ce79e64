"""What decimal commas, local dates and times cost: a CSV into PostgreSQL, plain and as a partner writes it.

    python -m benchmarks.values [--rows N] [--repeat K]

Both files have the same values. Contenders take turns, each in a process of its own, and the median counts. DuckDB and
pandas (``duckdb`` and ``pandas`` of PyPI, where they are installed) only read the files into typed columns: neither
loads a table. Exits with 1 if the load of the partner's file is at less than half the rate of the plain one, by rows.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg

from penstock.delivery.attempt import Attempt
from penstock.delivery.table import TableDelivery
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink
from penstock.formats import parse
from penstock.limits import MIB, Budget
from penstock.model.job import Job
from penstock.routes import Routes, destination_of, parse_routes
from penstock.tables import ChunkBuilder, Form
from penstock.testing import ManualDeadline, MemoryObjectStore, MemoryRejectLog
from penstock_local import postgres

LEAST = 0.5
HEADER = "id;amount;price;day;at;name\n"
TABLE = "id bigint, amount numeric, price numeric, day date, at timestamptz, name text"
FORMS = {
    "plain": ("", "", ""),
    "partner": (", decimal=',', thousands='.'", ", format='%d.%m.%Y'", ", format='%d.%m.%Y %H:%M'"),
}


def lines(count: int, form: str) -> Iterator[str]:
    rng = random.Random(1)
    for number in range(count):
        amount = rng.randint(-(10**8), 10**8) / 100
        day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1990, 2029)
        clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}"
        if form == "plain":
            date = f"{year}-{month:02}-{day:02}"
            numbers = f"{amount:.2f};{amount / 7:.3f}"
        else:
            date = f"{day:02}.{month:02}.{year}"
            numbers = f"{amount:,.2f};{amount / 7:,.3f}".translate(str.maketrans(",.", ".,"))
        yield f"{number};{numbers};{date};{date} {clock};{rng.choice(('abc', 'Some name here', 'x'))}\n"


def routes(form: str) -> Routes:
    number, day, clock = FORMS[form]
    text = f"""
        [[route]]
        name = 'r'
        match = '*'
        destination = 'postgresql:t'
        [route.parse]
        format = 'csv'
        delimiter = ';'
        [route.table]
        columns = [
            {{ name = 'id', type = 'integer' }},
            {{ name = 'amount', type = 'numeric'{number} }},
            {{ name = 'price', type = 'numeric'{number} }},
            {{ name = 'day', type = 'date'{day} }},
            {{ name = 'at', type = 'timestamp'{clock} }},
            {{ name = 'name' }},
        ]
    """
    return parse_routes(text, "routes.toml", {"source_bucket": "drops"})


def load(path: Path, form: str, dsn: str) -> None:
    """All of a job but S3."""
    store = MemoryObjectStore("drops")
    source = store.put("drops", "t.csv", path.read_bytes())
    of = routes(form)
    job = Job(source, of.routes[0], destination_of(of.routes[0], source))
    head = store.head("drops", "t.csv")
    assert head
    delivery = TableDelivery(
        store, MemoryRejectLog(), lambda job: PostgresSink(by_dsn(dsn), job.id), Form.TEXT, Budget.of(512 * MIB)
    )
    delivery(Attempt(job, head, 1, of, lambda _: None, ManualDeadline(900), 0.0))


def check(path: Path, form: str, dsn: str) -> None:  # noqa: ARG001  # all contenders have the same arguments
    """Parse, check and convert, without a database."""
    plan = routes(form).routes[0].plan
    assert plan
    builder = ChunkBuilder(plan)
    for number, batch in enumerate(parse([path.read_bytes()], plan.parse, batch_bytes=MIB)):
        builder.chunk(number, batch)


def read_pandas(path: Path, form: str, dsn: str) -> None:  # noqa: ARG001  # as above
    pd = importlib.import_module("pandas")
    numbers = {} if form == "plain" else {"decimal": ",", "thousands": "."}
    frame = pd.read_csv(path, sep=";", dtype={"day": str, "at": str}, **numbers)
    day = "%Y-%m-%d" if form == "plain" else "%d.%m.%Y"
    frame["day"] = pd.to_datetime(frame["day"], format=day)
    frame["at"] = pd.to_datetime(frame["at"], format=f"{day} %H:%M", utc=True)


def read_duckdb(path: Path, form: str, dsn: str) -> None:  # noqa: ARG001  # as above
    duckdb = importlib.import_module("duckdb")
    day = "%Y-%m-%d" if form == "plain" else "%d.%m.%Y"
    sign = "" if form == "plain" else ", decimal_separator=',', thousands='.'"
    columns = {
        name: kind.replace("numeric", "decimal(18,3)").removesuffix("tz")
        for name, kind in map(str.split, TABLE.split(", "))
    }
    duckdb.connect(config={"threads": 1}).execute(
        f"CREATE TABLE t AS SELECT * FROM read_csv('{path}', delim=';', header=true, columns={columns}, "
        f"dateformat='{day}', timestampformat='{day} %H:%M'{sign})"
    )


CONTENDERS: dict[str, Callable[[Path, str, str], None]] = {
    "penstock: load into PostgreSQL": load,
    "penstock: parse, check, convert": check,
    "pandas: read_csv, to_datetime": read_pandas,
    "DuckDB: read_csv, one thread": read_duckdb,
}
NEEDS = {"pandas: read_csv, to_datetime": "pandas", "DuckDB: read_csv, one thread": "duckdb"}


def measured(contender: str, path: Path, form: str, dsn: str) -> tuple[float, float]:
    """Wall and CPU seconds of a fresh process, without its imports."""
    program = [sys.executable, "-m", "benchmarks.values", "--one", contender, str(path), form, dsn]
    wall, cpu = json.loads(subprocess.run(program, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    return wall, cpu


def one(contender: str, path: str, form: str, dsn: str) -> None:
    if contender in NEEDS:
        importlib.import_module(NEEDS[contender])
    start = time.perf_counter(), time.process_time()
    CONTENDERS[contender](Path(path), form, dsn)
    print(json.dumps([time.perf_counter() - start[0], time.process_time() - start[1]]))  # read by the parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=500_000)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--one", nargs=4)
    arguments = parser.parse_args()
    if arguments.one:
        one(*arguments.one)
        return 0
    with (
        tempfile.TemporaryDirectory() as folder,
        postgres.running(Path(folder, "postgres"), settings=postgres.DURABLE) as dsn,
    ):
        files = {form: Path(folder, f"{form}.csv") for form in FORMS}
        for form, path in files.items():
            path.write_text(HEADER + "".join(lines(arguments.rows, form)))
        return compare(files, arguments.rows, arguments.repeat, dsn)


def compare(files: dict[str, Path], rows: int, repeat: int, dsn: str) -> int:
    there = [name for name in CONTENDERS if name not in NEEDS or importlib.util.find_spec(NEEDS[name])]
    times: dict[tuple[str, str], list[tuple[float, float]]] = {}
    results: dict[str, object] = {}
    for _ in range(repeat):
        for contender in there:
            for form, path in files.items():
                with psycopg.connect(dsn, autocommit=True) as connection:
                    connection.execute("DROP TABLE IF EXISTS t, penstock_ledger, penstock_loads")
                    connection.execute(f"CREATE TABLE t ({TABLE})".encode())
                times.setdefault((contender, form), []).append(measured(contender, path, form, dsn))
                if contender == there[0]:
                    with psycopg.connect(dsn) as connection:
                        query = b"SELECT count(*), sum(id), sum(amount), sum(price), max(day), max(at) FROM t"
                        results[form] = connection.execute(query).fetchone()
    print("| | plain: s (CPU) | partner: s (CPU) | rate |\n|---|---|---|---|")  # the result
    rates = {}
    for contender in there:
        (plain, cpu), (partner, more) = (_median(times[contender, form]) for form in FORMS)
        rates[contender] = plain / partner
        print(f"| {contender} | {plain:.2f} ({cpu:.2f}) | {partner:.2f} ({more:.2f}) | {plain / partner:.2f} |")
    is_equal = len(set(results.values())) == 1
    print(f"\n{rows:,} rows, medians of {repeat}. The tables are {'equal' if is_equal else 'NOT EQUAL'}.")
    return 0 if is_equal and rates[there[0]] >= LEAST else 1


def _median(readings: list[tuple[float, float]]) -> tuple[float, float]:
    wall, cpu = zip(*readings, strict=True)
    return statistics.median(wall), statistics.median(cpu)


if __name__ == "__main__":
    sys.exit(main())
