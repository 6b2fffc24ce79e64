"""Workbooks as people send them, from object to rows on a real PostgreSQL: several sheets, titles, remarks."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from openpyxl import Workbook

from lengths import long
from penstock.delivery.attempt import Attempt
from penstock.delivery.table import TableDelivery
from penstock.destinations.ports import TableSink
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import PostgresSink
from penstock.errors import InvalidTableError, RecordsMissingError, ServiceUnavailableError, TooManyRejectsError
from penstock.model.job import Job, Receipt
from penstock.model.job_status import JobState
from penstock.model.load import Chunk, Loaded
from penstock.routes import destination_of, parse_routes
from penstock.tables import Form
from penstock.testing import ManualDeadline, MemoryObjectStore, MemoryRejectLog
from penstock_cli.main import main
from postgres_database import Database
from table_machine import BUDGET, table_plant

pytest_plugins = ["postgres_fixtures"]
pytestmark = pytest.mark.xdist_group("workbooks")

ORDERS = 120
MONTHS = [20, 1, 40]
SMALL = replace(BUDGET, batch=512)


def workbook(sheets: Mapping[str, Sequence[Sequence[object]]], hidden: Sequence[str] = ()) -> bytes:
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
        sheet.merge_cells("A1:C1")
        sheet.sheet_state = "hidden" if name in hidden else "visible"
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def ledger(bad: object = 7) -> bytes:
    """Orders, months with columns in any order, and sheets that hold no records."""
    months: dict[str, list[list[object]]] = {
        f"2026-{number:02}": [
            ["Month"],
            [],
            ["day", "n", "note"],
            *([f"2026-{number:02}-01", n, "x"] for n in range(n)),
        ]
        for number, n in enumerate(MONTHS, 1)
    }
    months["2026-02"] = [["Month"], [], ["n", "note", "day"], [0, "x", "2026-02-01"]]
    return workbook(
        {
            "Notes": [["Notes"], ["as", None, "of"], ["May"]],
            "ORDERS": [["Orders"], ["", "id", "Paid"], *(["", n, n + 0.5] for n in range(ORDERS)), ["", bad, 1]],
            **months,
            "Secret": [["day", "n", "note"], ["2026-09-09", 9, "z"]],
        },
        hidden=["Secret"],
    )


def route(*, unknown: str = "ignore", how: str = "", more: str = "", columns: bool = True) -> str:
    orders = """columns = [{ name = "id", type = "integer" }, { name = "paid", from = "Paid", type = "numeric" }]"""
    months = """columns = [{ name = "day", type = "date" }, { name = "n", type = "integer" }]"""
    return f"""
    [[route]]
    name = "ledgers"
    match = "*"
    destination = "postgresql"
    {more}
    [route.parse]
    {'header = "auto"' if columns else "skip_rows = 2"}
    [route.choice]
    field = "$sheet"
    unknown = "{unknown}"
    [route.choice.tables.Orders]
    name = "orders"
    create = true
    {how}
    {orders if columns else ""}
    [route.choice.tables."2026-*"]
    name = "months"
    create = true
    {how}
    {months if columns else ""}
    """


def stored(database: Database) -> tuple[list[object], list[object]]:
    orders = database.execute("SELECT id, paid FROM orders ORDER BY id, paid")
    months = database.execute(
        "SELECT extract(month FROM day)::integer, count(*)::integer FROM months GROUP BY 1 ORDER BY 1"
    )
    return list(orders), list(months)


ALL_MONTHS: Any = [(number, n) for number, n in enumerate(MONTHS, 1)]


class Loader:
    """Loads one workbook in attempts, of which all but the last fail."""

    def __init__(self, database: Database, text: str, data: bytes) -> None:
        store = MemoryObjectStore("drops")
        self.log = MemoryRejectLog()
        self.database = database
        source = store.put("drops", "a.xlsx", data)
        self.routes = parse_routes(text, "routes.toml", {"source_bucket": "drops"})
        self.job = Job(source, self.routes.routes[0], destination_of(self.routes.routes[0], source))
        self.head = store.head("drops", "a.xlsx")
        self.store = store
        self.submitted: list[tuple[int, int]] = []

    def attempt(self, fail_at: int | None = None) -> Receipt:
        assert self.head
        delivery = TableDelivery(self.store, self.log, lambda job: self._sink(job, fail_at), Form.TEXT, SMALL)
        return delivery(Attempt(self.job, self.head, 1, self.routes, lambda _: None, ManualDeadline(900), 0.0))

    def _sink(self, job: Job, fail_at: int | None) -> TableSink:
        sink = PostgresSink(by_dsn(self.database.dsn), job.id)
        submit = sink.submit

        def submit_or_fail(chunk: Chunk) -> Callable[[], Loaded]:
            if chunk.number == fail_at:
                raise ServiceUnavailableError("the database is gone")
            self.submitted.append((chunk.number, chunk.next_row))
            return submit(chunk)

        sink.submit = submit_or_fail  # type: ignore[method-assign]  # this one fails
        return sink


def test_sheets_are_loaded_into_their_tables_each_with_its_own_header(database: Database) -> None:
    loader = Loader(database, route(), ledger())
    receipt = loader.attempt()
    orders, months = stored(database)
    assert (receipt.rows, receipt.rejects, len(orders)) == (ORDERS + 1 + sum(MONTHS), 0, ORDERS + 1)
    assert months == ALL_MONTHS
    assert "61 records hold fields that no column takes: 'note'" in receipt.warnings


@pytest.mark.parametrize("how", [pytest.param("", id="append"), long("atomic = true"), 'mode = "replace"'])
def test_an_attempt_resumes_after_any_chunk_of_any_sheet(database: Database, how: str) -> None:
    whole = Loader(database, route(how=how), ledger())
    receipt = whole.attempt()
    wanted, chunks = stored(database), whole.submitted
    assert len(chunks) > 6
    for table in ("orders", "months"):
        database.execute(f"DELETE FROM {table}")
    database.execute("DELETE FROM penstock_ledger")
    loader = Loader(database, route(how=how), ledger())
    for number in range(1, len(chunks)):
        with pytest.raises(ServiceUnavailableError):
            loader.attempt(fail_at=number)
    assert loader.attempt().rows == receipt.rows
    assert sorted(set(loader.submitted)) == chunks
    assert stored(database) == wanted


def test_a_reject_names_its_sheet_and_the_row_in_it(database: Database) -> None:
    loader = Loader(database, route(unknown="reject", more="max_rejects = 3"), ledger(bad="x"))
    assert loader.attempt().rejects == 3
    found = [(reject.position.row, reject.column, reject.reason, reject.position.raw) for reject in loader.log.all]
    reason = "the sheet 'Notes' names no table"
    assert found[:2] == [(1, "", reason, "Notes, row 2: as,,of"), (2, "", reason, "Notes, row 3: May")]
    assert found[2][0] == ORDERS + 3
    assert found[2][3] == f"ORDERS, row {ORDERS + 3}: x,1"


@pytest.mark.parametrize("how", ["atomic = true", long('mode = "replace"')])
def test_of_all_tables_or_of_none(database: Database, how: str) -> None:
    Loader(database, route(), ledger()).attempt()
    before = stored(database)
    with pytest.raises(TooManyRejectsError):
        Loader(database, route(how=how, unknown="reject"), ledger(bad="x")).attempt()
    assert stored(database) == before
    Loader(database, route(how=how), ledger()).attempt()
    orders, months = stored(database)
    times = 1 if "replace" in how else 2
    assert (len(orders), months) == (times * (ORDERS + 1), [(month, times * n) for month, n in ALL_MONTHS])


def test_the_columns_of_each_table_are_inferred_from_its_own_sheets(database: Database) -> None:
    data = workbook({
        "Empty": [],
        "2026-01": [["t"], ["t"], ["day", "n"]],
        "Orders": [["t"], ["t"], ["id", "ok"], [1, True]],
        "2026-02": [["t"], ["t"], ["n", "day"], [1.5, "2026-02-03"]],
    })  # fmt: skip
    assert Loader(database, route(columns=False), data).attempt().rows == 2
    types = database.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = current_schema AND table_name IN ('orders', 'months') ORDER BY 1, 2"
    )
    assert types == [
        ("months", "day", "date"),
        ("months", "n", "numeric"),
        ("orders", "id", "bigint"),
        ("orders", "ok", "boolean"),
    ]


def test_a_sheet_that_lacks_a_declared_column_is_an_error_also_without_records(database: Database) -> None:
    data = workbook({"Orders": [["t"], ["t"], ["id", "other"]]})
    text = route(columns=True).replace('header = "auto"', "skip_rows = 2")
    with pytest.raises(InvalidTableError, match="table orders, column 'paid': the header lacks 'Paid'"):
        Loader(database, text, data).attempt()


def test_a_missing_sheet_fails_before_the_first_row(database: Database) -> None:
    data = workbook({"2026-01": [["day", "n"], ["2026-01-01", 1]]})
    with pytest.raises(RecordsMissingError, match="no worksheet 'Orders'; it has '2026-01'"):
        Loader(database, route(), data).attempt()
    assert database.execute("SELECT to_regclass('months'), to_regclass('orders')") == [(None, None)]


def test_a_large_workbook_is_one_span(database: Database) -> None:
    plant = table_plant(database, route())
    status = plant.run(plant.upload("a.xlsx", ledger()))
    assert (status.state, status.spans, status.progress.rows) == (JobState.SUCCEEDED, 1, ORDERS + 1 + sum(MONTHS))
    assert stored(database)[1] == ALL_MONTHS


def test_the_command_takes_sheets_and_cells_by_option_or_by_route(database: Database, tmp_path: Path) -> None:
    path, routes = tmp_path / "a.xlsx", tmp_path / "routes.toml"
    path.write_bytes(ledger())
    routes.write_text(route())
    command = ["run", str(path), "--dsn", database.dsn, "--json"]
    for n, options in enumerate([["#2"], ["ord*"]]):
        to = [*command, "--to", f"postgresql:t{n}", "--create", "--sheet", *options, "--range", "B2:C12"]
        result = CliRunner(mix_stderr=False).invoke(main, to)
        assert result.exit_code == 0, result.stderr
        assert database.execute(f'SELECT count(*)::integer, min("Paid")::float FROM t{n}') == [(10, 0.5)]
    result = CliRunner(mix_stderr=False).invoke(main, [*command, "--routes", str(routes)])
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["rows"] == ORDERS + 1 + sum(MONTHS)
    assert stored(database)[1] == ALL_MONTHS
