"""``hash`` and ``mask``: what of a value is loaded, and which routes are refused."""

from __future__ import annotations

import re
from hashlib import sha256

import pytest

from penstock.errors import InvalidRouteError, InvalidTableError
from penstock.model.column import Column, ColumnType, Storage
from penstock.model.parse_options import ParseOptions
from penstock.model.record import RecordPosition, Reject
from penstock.model.table import Choice, Table, TablePlan
from penstock.model.value_rules import Case, Trim, ValueRules
from penstock.routes import parse_routes
from penstock.tables import ChunkBuilder, Form, RowConverter
from penstock.tables.protection import without_quotes
from table_batches import records, rows

SECRET = "Erika-Mustermann-4711"


def loaded(column: Column, *texts: object, form: Form = Form.TEXT) -> list[object]:
    """The values of a column, from a CSV and from JSON, which have the same."""
    table = Table("t", (column,))
    found, rejects = RowConverter(table, (), form).convert(records(*({column.name: text} for text in texts)))
    assert not rejects
    cells = [(text,) for text in texts if text is None or isinstance(text, str)]
    if len(cells) == len(texts):
        again, _ = RowConverter(table, (column.name,), form).convert(rows([column.name], *cells))
        assert list(again.columns[0]) == list(found.columns[0])
    return list(found.columns[0])


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("form", Form)
def test_a_hash_is_that_of_the_text_in_utf_8_and_null_stays_null(form: Form) -> None:
    column = Column("x", hash="sha256", nulls=("", "NA"))
    texts = ["é", "NA", None, " a", SECRET]
    assert loaded(column, *texts, form=form) == [digest("é"), None, None, digest(" a"), digest(SECRET)]


def test_json_values_are_hashed_as_they_are_written() -> None:
    column = Column("x", hash="sha256", nulls=())
    assert loaded(column, 1, True, "") == [digest("1"), digest("true"), digest("")]
    held = Column("x", hash="sha256", nulls=(), storage=Storage())
    assert loaded(held, {"a": [1]}) == [digest('{"a": [1]}')]


def test_a_text_is_trimmed_and_in_the_right_case_before_it_is_hashed() -> None:
    rules = ValueRules(trim=Trim.BOTH, case=Case.LOWER)
    assert loaded(Column("x", hash="sha256", rules=rules), " A@B.de ", None) == [digest("a@b.de"), None]
    assert loaded(Column("x", mask="keep:1", rules=rules), " AB") == ["*b"]


@pytest.mark.parametrize(
    ("mask", "text", "masked"),
    [
        ("****", SECRET, "****"),
        ("****", None, None),
        ("keep:4", "DE89370400440532013000", "******************3000"),
        ("keep:4", "12345", "*2345"),
        ("keep:4", "1234", "****"),
        ("keep:1", "é", "*"),
        ("k", "a", "k"),
    ],
)
def test_a_mask_is_a_text_or_keeps_the_last_characters(mask: str, text: str | None, masked: str | None) -> None:
    assert loaded(Column("x", mask=mask), text) == [masked]


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ('name = "x", hash = "md5"', "hash: must be one of sha256, not 'md5'"),
        ('name = "x", hash = "sha256", mask = "*"', "mask: is said by hash already"),
        ('name = "x", hash = "sha256", type = "integer"', "the type of the column is text, not integer"),
        ('name = "x", mask = "keep:0"', "the number is 1 to 99"),
        ('name = "x", mask = "keep:some"', "the number is 1 to 99"),
        ('name = "x", mask = ""', "mask: must be a non-empty string"),
        ('name = "x", hash = "sha256", from = "$key"', "hash: is for fields"),
        ('name = "y", from = "x" }, { name = "x", mask = "*"', "'y' holds as it is what 'x' hashes or masks"),
        ('name = "y", from = "u" }, { name = "x", mask = "*", from = "u.x"', "'y' holds as it is what 'x'"),
    ],
)
def test_what_cannot_hold_is_refused_by_field(column: str, message: str) -> None:
    text = (
        f'[[route]]\nname = "r"\nmatch = "*"\ndestination = "postgresql:t"\n[route.table]\ncolumns = [{{ {column} }}]'
    )
    with pytest.raises(InvalidRouteError, match=re.escape(message)):
        parse_routes(text, "routes.toml", {"source_bucket": "drops"})


@pytest.mark.parametrize(
    ("layout", "table", "other"),
    [
        (
            '"id 1-3", "name 4-9", "initial 4"',
            'columns = [{ name = "name", mask = "*" }, { name = "initial" }]',
            "initial",
        ),
        ('"line 1-", "name 4-9"', 'columns = [{ name = "name", hash = "sha256" }]\nrescue = "_x"', "line"),
        ('"line 1-", "name 4-9"', 'columns = [{ name = "n", from = "#2", mask = "*" }, { name = "line" }]', "line"),
        ('"id 1-3", "name 4-9", "line 1-"', 'columns = [{ name = "name", mask = "*" }, { name = "id" }]', ""),
    ],
)
def test_a_field_of_a_fixed_layout_shares_no_character_with_a_protected_one(
    layout: str, table: str, other: str
) -> None:
    text = (
        f'[[route]]\nname = "r"\nmatch = "*"\ndestination = "postgresql:t"\n'
        f'[route.parse]\nformat = "fixed"\nfields = [{layout}]\n[route.table]\n{table}\n'
    )
    if not other:
        parse_routes(text, "routes.toml", {"source_bucket": "drops"})
        return
    with pytest.raises(InvalidRouteError, match=f"fields: '{other}' has characters of "):
        parse_routes(text, "routes.toml", {"source_bucket": "drops"})


def rejects_of(plan: TablePlan, names: list[str], *cells: tuple[str, ...]) -> tuple[Reject, ...]:
    chunk, rejects = ChunkBuilder(plan).chunk(0, rows(names, *cells))
    assert chunk.first_reject == rejects[0]
    return rejects


PLAN = TablePlan(ParseOptions(), Table("t", (Column("x", hash="sha256"), Column("n", ColumnType.INTEGER))))


def test_a_reject_has_neither_the_record_nor_any_text_of_it() -> None:
    (reject,) = rejects_of(PLAN, ["x", "n"], (SECRET, f"7;{SECRET}"))
    assert (reject.column, reject.reason) == ("n", "(hidden) is not an integer")
    assert reject.position == RecordPosition(1, reject.position.offset, "")


def test_a_required_value_and_one_that_its_table_cannot_hold_are_rejected_without_it() -> None:
    column = Column("x", hash="sha256", nullable=False)
    (missing,) = rejects_of(TablePlan(ParseOptions(), Table("t", (column,))), ["x"], ("",))
    assert missing.reason == "is null, but may not be"
    short = Column("x", hash="sha256", storage=Storage(length=8))
    (long,) = rejects_of(TablePlan(ParseOptions(), Table("t", (short,))), ["x"], (SECRET,))
    assert SECRET not in long.reason
    number = Table("t", (Column("x", mask="*", storage=Storage(ColumnType.INTEGER)),))
    _, rejects = ChunkBuilder(TablePlan(ParseOptions(), number)).chunk(
        0, records({"x": {"a": SECRET}}, {"x": [SECRET]})
    )
    assert {reject.reason for reject in rejects} == {"is no single value"}


def test_a_record_of_no_table_is_rejected_without_its_value() -> None:
    plan = TablePlan(ParseOptions(), choice=Choice("x", {"a": Table("t", (Column("x", mask="*"),))}))
    (reject,) = rejects_of(plan, ["x"], (SECRET,))
    assert reject.reason == "(hidden) names no table"


def test_a_header_that_may_be_a_record_is_not_shown() -> None:
    with pytest.raises(InvalidTableError, match="lacks 'x'; it is not shown") as raised:
        ChunkBuilder(PLAN).chunk(0, rows([SECRET, "n"], ("a", "1")))
    assert SECRET not in str(raised.value)


def test_fields_that_no_column_takes_are_told_by_position() -> None:
    table = Table("t", (Column("x", source="#1", hash="sha256"),))
    builder = ChunkBuilder(TablePlan(ParseOptions(), table))
    builder.chunk(0, rows(["a", SECRET], ("1", "2")))
    assert builder.fields.names == ("#2",)


@pytest.mark.parametrize("source", ["#2", "a.b"])
def test_no_other_column_takes_the_field_under_another_of_its_names(source: str) -> None:
    table = Table("t", (Column("a.b", hash="sha256"), Column("y", source=source, keys=("a", "b"))))
    with pytest.raises(
        InvalidTableError, match=r"'y' would hold as it is what 'a.b' hashes or masks: both take field 2"
    ):
        RowConverter(table, ("x", "a.b"))


def test_fields_of_protected_columns_never_go_to_the_rescue_column() -> None:
    columns = (Column("x", mask="*", source="u.x"), Column("_extra", ColumnType.JSON, nulls=()))
    table = Table("t", columns, rescue="_extra", rescue_values=True)
    found, _ = RowConverter(table, ()).convert(records({"u": {"x": SECRET, "y": SECRET}, "z": 1}))
    assert [list(column) for column in found.columns] == [["*"], ['{"z": 1}']]


@pytest.mark.parametrize(
    ("message", "left"),
    [
        ("'it\\'s' is not a date", "(hidden) is not a date"),
        ('"it\'s" is not a date', "(hidden) is not a date"),
        (f"'{'x' * 50}'... is too long", "(hidden) is too long"),
        ("12e999999999 is no JSON number", "(hidden) is no JSON number"),
        ("expected 3 fields, found 4", "expected 3 fields, found 4"),
    ],
)
def test_a_message_loses_what_it_quotes(message: str, left: str) -> None:
    assert without_quotes(message) == left
