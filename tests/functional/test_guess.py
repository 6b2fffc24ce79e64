"""`penstock guess`: what it prints is a route, which loads what was read."""

from __future__ import annotations

import json
import random
import string
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from penstock_cli.main import main


def run(*arguments: object, **options: Any) -> Result:
    return CliRunner(mix_stderr=False).invoke(main, [*map(str, arguments)], **options)


def checked(folder: Path, content: bytes, name: str = "in.csv") -> tuple[dict[str, Any], dict[str, Any]]:
    """The guessed route, and the check of the source by it."""
    source, routes = folder / name, folder / "routes.toml"
    source.write_bytes(content)
    guess = run("guess", source)
    assert guess.exit_code == 0, guess.stderr
    routes.write_text(guess.stdout)
    check = run("check", source, "--routes", routes, "--json")
    assert check.stdout, check.stderr
    return tomllib.loads(guess.stdout)["route"][0], json.loads(check.stdout)


def test_a_file_of_a_partner_is_read_without_a_reject(tmp_path: Path) -> None:
    head = "Sales of June\n\nDatum;Betrag;Kunde\n"
    text = head + '31.12.2023;1.234,56;Müller\n01.01.2024;7,5;"Schmidt; Söhne"\n02.01.2024;;X\n'
    route, found = checked(tmp_path, text.encode("cp1252"))
    assert route["parse"]["skip_lines"] == 2
    assert route["table"]["columns"][:2] == [
        {"name": "Datum", "type": "date", "format": "%d.%m.%Y"},
        {"name": "Betrag", "type": "numeric", "decimal": ",", "thousands": "."},
    ]
    assert (found["rows"], found["rejects"]) == (3, 0)
    assert found["tables"][0]["columns"][1]["most"] == "1234.56"


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.jsonl", b'{"id": 1, "at": "2024-01-02"}\n{"id": 2}\n'), ("a.json", b'[{"id": 1}]'), ("stdin", b'{"id": 1}\n')],
)
def test_json_has_the_columns_that_a_load_infers(tmp_path: Path, name: str, content: bytes) -> None:
    route, found = checked(tmp_path, content, name)
    assert route["table"]["columns"][0] == {"name": "id", "type": "integer"}
    assert found["rejects"] == 0


def test_titles_above_the_header_of_a_sheet_are_skipped(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet
    for row in (["Sales of June"], ["id", "amount"], [1, "1,5"], [2, "7"], [3, "8", "remark"]):
        sheet.append(row)
    book.save(tmp_path / "made.xlsx")
    route, found = checked(tmp_path, (tmp_path / "made.xlsx").read_bytes(), "in.xlsx")
    assert route["parse"] == {"format": "xlsx", "skip_rows": 1}
    assert [column["name"] for column in route["table"]["columns"]] == ["id", "amount"]
    assert (found["rows"], found["rejects"]) == (2, 1)


@pytest.mark.parametrize(
    "titles", [[["Umsatz"], ["a"], ["b"], ["c"], ["d"], ["e"]], [["Umsatz", None, "Stand"]], [["Umsatz"]]]
)
def test_a_merged_title_is_no_header(tmp_path: Path, titles: list[list[str | None]]) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet
    rows: list[list[Any]] = [*titles, ["Nr", "Betrag", "Art"], [1, 2, "x"], [2, 3, "y"]]
    for row in rows:
        sheet.append(row)
    sheet.merge_cells("A1:B1")
    book.save(tmp_path / "made.xlsx")
    route, found = checked(tmp_path, (tmp_path / "made.xlsx").read_bytes(), "in.xlsx")
    assert route["parse"] == {"format": "xlsx", "skip_rows": len(titles)}
    assert (found["rows"], found["rejects"]) == (2, 0)


def test_a_column_of_a_sheet_without_a_name_is_said_not_to_be_loaded(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet
    for row in (["a", None, "b"], [1, "r", "x"], [2, "s", "y"]):
        sheet.append(row)
    book.save(tmp_path / "in.xlsx")
    assert "# Not loaded, for the header lacks their names" in run("guess", tmp_path / "in.xlsx").stdout
    route, found = checked(tmp_path, (tmp_path / "in.xlsx").read_bytes(), "in.xlsx")
    assert [column["name"] for column in route["table"]["columns"]] == ["a", "b"]
    assert (found["rows"], found["rejects"]) == (2, 0)


def test_a_row_of_values_is_no_header_of_a_sheet(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet
    for row in ([None, "a", "b"], ["r", 2, "x"], ["s", 3, "y"]):
        sheet.append(row)
    book.save(tmp_path / "in.xlsx")
    guess = run("guess", tmp_path / "in.xlsx").stdout
    assert guess.startswith("# Undecided: no row of the first sheet is a header for most others")
    assert "columns" not in tomllib.loads(guess)["route"][0]["table"]


def test_totals_below_a_sheet_are_no_record(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet
    for row in (["Umsatz"], ["Nr", "Betrag"], [1, 2], [2, 3], ["Summe", 5]):
        sheet.append(row)
    sheet.merge_cells("A1:B1")
    book.save(tmp_path / "made.xlsx")
    route, found = checked(tmp_path, (tmp_path / "made.xlsx").read_bytes(), "in.xlsx")
    assert route["parse"] == {"format": "xlsx", "skip_rows": 1, "footer": "^Summe"}
    assert route["table"]["columns"][0] == {"name": "Nr", "type": "integer"}
    assert (found["rows"], found["rejects"]) == (2, 0)


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\nid;n\n1;2\n2;3\n",
        "sep=;\nReport\nid;n;m\n1;2;3\n2;3;4\n",
        'id,n\n1,2\n2,3\n"Total",5\n',
        "id,n,m\n1,2,3\n2,3,4\n--\nEND\n",
    ],
)
def test_what_is_around_the_records_is_left_out(tmp_path: Path, text: str) -> None:
    _, found = checked(tmp_path, text.encode())
    assert (found["rows"], found["rejects"]) == (2, 0)


def test_what_stands_behind_the_sample_is_tried_with_all(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text("id\n" + "1\n" * 1000 + "x\n")
    few = run("guess", source, "--sample", "100")
    assert '{ name = "id", type = "integer" }' in few.stdout
    every = run("guess", source, "--sample", "100", "--all")
    assert '{ name = "id" },  # text, not integer: 1 values do not fit' in every.stdout
    source.write_bytes(b"id\n" + b"1\n" * 1000 + b"\xff\n")
    every = run("guess", source, "--sample", "100", "--all")
    assert "# Records are rejected, first row 1,001 (byte 2,003): not utf-8 at byte 2,003" in every.stdout


def test_standard_input_is_guessed_but_not_read_twice() -> None:
    assert run("guess", "-", "--all").exit_code == 1


def test_a_format_that_is_not_guessed_is_said_so(tmp_path: Path) -> None:
    source = tmp_path / "a.xml"
    source.write_text("<a/>")
    result = run("guess", source)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "the options of xml are not guessed" in result.stderr


CELLS = st.one_of(
    st.integers(-(10**6), 10**20).map(str),
    st.sampled_from(
        ["", "NA", "1.5", "2024-01-02", "31/12/2024", "01/02/2024", "1,5", "1.234,5", "007", "true", "x y"]
    ),
    st.text(string.ascii_letters + "äß ,;'\"\n", max_size=5),
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=6),
    delimiter=st.sampled_from(",;\t|"),
    seed=st.integers(0, 9),
)
def test_no_value_that_was_read_is_rejected(tmp_path: Path, rows: list[list[str]], delimiter: str, seed: int) -> None:
    shuffled = random.Random(seed).sample(["id", "some name", "Ort"], 3)
    lines = [shuffled, *rows]
    quoted = [delimiter.join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines]
    _, found = checked(tmp_path, "\n".join(quoted).encode() + b"\n")
    assert not [reject for reject in found["first_rejects"] if reject["column"]]
