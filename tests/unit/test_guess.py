"""What `penstock guess` concludes from a text, and what it leaves open."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from penstock.guess.columns import guess_column
from penstock.guess.csv_route import guess_csv
from penstock.guess.numbers import guess_numbers
from penstock.guess.route_text import toml
from penstock.guess.times import guess_times
from penstock.model.column import ColumnType


def options_of(text: str) -> dict[str, object]:
    options, _, _ = guess_csv(text.encode(), whole=True)
    return {option.name: option.value for option in options}


def types_of(text: str) -> list[str]:
    return [str(column.type) for column in guess_csv(text.encode(), whole=True)[1]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id;name\n1;a,b\n2;c,d\n3;e\n", {"delimiter": ";", "header": True}),
        ("id\tname\n1\ta b\n2\tc d\n", {"delimiter": "\t"}),
        ("id|at\n1|10:30\n2|11:45\n", {"delimiter": "|"}),
        ("name,note\n'a,b','x'\n'c','y'\n", {"delimiter": ",", "quote": "'"}),
        ('a,b\n1,"x \\" y"\n2,"z, z"\n', {"delimiter": ",", "escape": "\\"}),
        ("Report of June\n\nid,name,n\n1,a,2\n2,b,3\n", {"skip_lines": 2, "header": True}),
        ("Report,,\nof June,,\nid,name,n\n1,a,2\n2,b,3\n", {"skip_lines": 2, "header": True}),
        ("# a\n# b, c, d\nid,n\n1,2\n# d\n2,3\nTotal 2\n", {"comment": "#", "footer": "^Total", "header": True}),
        ("id,n\n1,2\n2,3\n3\n", {"footer": None}),
        ("id,n\n1,2\n2,3\nTotal,5\n", {"footer": "^Total"}),
        ('id,n\n1,2\n2,3\n"Total",5\n', {"footer": '^"Total'}),
        ("id,n,m\n1,2,3\n2,3,4\n--\nEND\n", {"footer": "^--", "skip_footer": None}),
        ("name,n\na,2\nb,3\nTotal,5\n", {"footer": None}),
        ("id,n\n1,2\nTotal,3\n3,4\nTotal,5\n", {"footer": None}),
        ("sep=;\nid;n\n1;1,5\n2;2,5\n", {"delimiter": ";", "header": True, "skip_lines": None, "columns": None}),
        ("sep=,\nid,v\n1,a,junk\n2,b,,,\n3,c\nTRAILER 3\n", {"delimiter": ",", "footer": "^TRAILER", "columns": None}),
        ("sep=;\nReport\nid;n;m\n1;2;3\n2;3;4\n", {"skip_lines": 2, "header": True}),
        ('id,n\n1,a "b\n2,c" d\n3,"e\n', {"quoting": "none"}),
        ("1,2.5\n2,3.5\n", {"header": False, "columns": ("column_1", "column_2")}),
        ('"",x\n"1",5\n"2",6\n', {"header": True, "columns": ("column_1", "x")}),
        ("x,x\n1,5\n2,6\n", {"header": True, "columns": ("x", "x_2")}),
        ("country,2001,2002,2003\nA,1,2,3\nB,4,5,6\n", {"header": True}),
        ('"a" "b"\n"r1" 1 2\n"r2" 3 4\n', {"delimiter": " ", "header": False, "columns": ("row_name", "a", "b")}),
    ],
)
def test_a_dialect_is_found(text: str, expected: dict[str, object]) -> None:
    found = options_of(text)
    assert {name: found.get(name) for name in expected} == expected


def test_a_last_record_that_may_be_a_footer_is_said_to_be() -> None:
    _, _, notes = guess_csv(b"name,n\na,2\nb,3\nTotal,5\n", whole=True)
    assert "undecided: the last record may be a footer: set footer = '^Total', if so" in notes


def test_a_wide_header_is_no_title() -> None:
    options, columns, notes = guess_csv(b"a,b,c\n1,2\n3,4\n5,6,7\n", whole=True)
    assert {option.name for option in options} == {"format", "encoding", "delimiter", "header"}
    assert [column.name for column in columns] == ["a", "b", "c"]
    assert "Rejected for another number of fields than 3: 2 records" in notes


def test_bytes_that_are_not_utf_8_have_another_encoding() -> None:
    text = "name,town\nMüller,Köln\nGrün,Düren\nBär,Nürnberg\n"
    options, _, _ = guess_csv(text.encode("cp1252"), whole=True)
    assert {option.name: option.value for option in options}["encoding"] == "cp1252"


@pytest.mark.parametrize(
    ("texts", "kind", "decimal", "thousands"),
    [
        (["1", "-20"], ColumnType.INTEGER, ".", ""),
        (["9223372036854775808"], ColumnType.NUMERIC, ".", ""),
        (["1.5", ".5", "1e3"], ColumnType.NUMERIC, ".", ""),
        (["1.5", "NaN"], ColumnType.FLOAT, ".", ""),
        (["1,5", "20"], ColumnType.NUMERIC, ",", ""),
        (["1.234,50", "7"], ColumnType.NUMERIC, ",", "."),
        (["1,234.50", "7"], ColumnType.NUMERIC, ".", ","),
        (["1,234,567", "7"], ColumnType.NUMERIC, ".", ","),
        (["1 234,5"], ColumnType.NUMERIC, ",", " "),
    ],
)
def test_numbers_are_read_as_all_texts_allow(
    texts: Sequence[str], kind: ColumnType, decimal: str, thousands: str
) -> None:
    found = guess_numbers(texts)
    assert (found.type, found.decimal, found.thousands) == (kind, decimal, thousands)


@pytest.mark.parametrize(
    ("texts", "note"),
    [(["1,234", "5,678"], "undecided"), (["02134", "10001"], "begin with 0"), (["1.234.5", "x1"], ""), (["a"], "")],
)
def test_numbers_that_are_undecided_are_texts(texts: Sequence[str], note: str) -> None:
    found = guess_numbers(texts)
    assert found.type is None
    assert note in found.note


@pytest.mark.parametrize(
    ("texts", "kind", "form"),
    [
        (["2024-12-31"], ColumnType.DATE, ""),
        (["2024-12-31T10:00:00Z"], ColumnType.TIMESTAMP, ""),
        (["31/12/2024", "01/02/2024"], ColumnType.DATE, "%d/%m/%Y"),
        (["12/31/2024 10:00", "01/02/2024 11:00"], ColumnType.TIMESTAMP, "%m/%d/%Y %H:%M"),
        (["31.12.2024"], ColumnType.DATE, "%d.%m.%Y"),
        (["5 May 2024", "6 May 2024"], ColumnType.DATE, "%d %b %Y"),
        (["4/15/12", "4/1/12"], ColumnType.DATE, "%m/%d/%y"),
        (["2024-12-31", "2024-12-31 10:00"], ColumnType.TIMESTAMP, ""),
        (["2024/12/31"], ColumnType.DATE, "%Y/%m/%d"),
    ],
)
def test_times_are_read_by_one_format(texts: Sequence[str], kind: ColumnType, form: str) -> None:
    found = guess_times(texts)
    assert (found.type, found.format) == (kind, form)


def test_evidence_says_how_many_texts_only_one_order_reads() -> None:
    assert guess_times(["31/12/2024", "01/02/2024"]).note == (
        "1 distinct text of 2 such as '31/12/2024', never %m/%d/%Y"
    )


@pytest.mark.parametrize("texts", [["01/02/2024", "03/04/2024"], ["2024-13-01"], ["11/12/10"], ["10:30"], ["1960-01"]])
def test_times_that_are_undecided_are_texts(texts: Sequence[str]) -> None:
    assert guess_times(texts).type is None


def test_a_word_means_null_only_beside_values_of_a_type() -> None:
    typed = guess_column("n", ["1", "NA", "3", ""])
    assert (typed.type, typed.nulls) == (ColumnType.INTEGER, ("NA",))
    texts = guess_column("t", ["a", "NA", "b"])
    assert (texts.type, texts.nulls) == (ColumnType.TEXT, ())
    assert "kept as texts: 'NA'" in texts.notes


def test_integers_that_may_be_dates_are_said_to_be() -> None:
    found = guess_column("d", ["20241231", "20240101"])
    assert found.type is ColumnType.INTEGER
    assert "may be dates" in found.notes[0]


def test_words_that_may_be_booleans_are_texts() -> None:
    assert guess_column("b", ["true", "false"]).type is ColumnType.BOOLEAN
    undecided = guess_column("b", ["Y", "N"])
    assert undecided.type is ColumnType.TEXT
    assert "undecided" in undecided.notes[0]


@pytest.mark.parametrize(
    ("texts", "note"),
    [
        (["$12,400.00", "($1,150.75)", "2,800.00-"], "may be numbers"),
        (["12,5 %", "5 %"], "may be numbers"),
        (["11/02/2026", "11/3/26"], "may be dates"),
        (["2024-01-02", "03.04.2024"], "may be dates"),
    ],
)
def test_texts_say_what_they_may_be(texts: Sequence[str], note: str) -> None:
    found = guess_column("c", texts)
    assert found.type is ColumnType.TEXT
    assert note in "; ".join(found.notes)


def test_candidates_for_a_key_are_unique_and_never_null() -> None:
    _, _, notes = guess_csv(b"id,n,m\n1,5,\n2,5,x\n3,6,y\n", whole=True)
    assert "Candidates for a key (unique and never null in what was read): id" in notes


def test_texts_without_types_leave_the_header_open() -> None:
    assert types_of("a,b\nx,y\nz,w\n") == ["text", "text"]
    assert any("undecided: all columns are texts" in note for note in guess_csv(b"a,b\nx,y\nz,w\n", whole=True)[2])


@pytest.mark.parametrize(
    ("value", "text"),
    [("\t", '"\\t"'), ("\x7f\x01é", '"\\u007f\\u0001é"'), (True, "true"), (3, "3"), (("a", '"'), '["a", "\\""]')],
)
def test_values_are_written_as_toml(value: str | int | bool | tuple[str, ...], text: str) -> None:
    assert toml(value) == text
