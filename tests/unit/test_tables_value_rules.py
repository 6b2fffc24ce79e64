"""How the texts of a column may be written: each option, what it takes, and why it rejects the rest."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.model.column import Column, ColumnType, Storage
from penstock.model.identity import identity
from penstock.model.serialization import from_json, to_json
from penstock.model.table import Table
from penstock.model.typed_text import Typed
from penstock.model.value_rules import Case, Fold, Negative, Percent, Trim, ValueRules
from penstock.tables import Form, RowConverter
from table_batches import records, rows

T = ColumnType
COMMA = ValueRules(decimal=",", thousands=(".",))
ACCOUNT = ValueRules(thousands=(",",), negative=(Negative.PARENTHESES, Negative.TRAILING), currency=("$", "EUR"))
TRAILING = ValueRules(negative=(Negative.TRAILING,))

INDIA = ValueRules(timezone="Asia/Kolkata")
EARLIER, LATER = (ValueRules(timezone="Europe/Berlin", fold=fold) for fold in (Fold.EARLIER, Fold.LATER))
STYLES = [COMMA, ACCOUNT, ValueRules(decimal=",", percent=Percent.FRACTION)]
PATTERNS = ["%d.%m.%Y", "%m/%d/%Y", "%Y%m%d", "%d-%m-%y"]
ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]
START, END = (datetime(year, 1, 1, tzinfo=UTC).replace(tzinfo=None) for year in (1990, 2030))


def column(kind: ColumnType, rules: ValueRules, **more: Any) -> Column:
    return Column("x", kind, rules=rules, **more)


def read(
    declared: Column, *cells: str | None, form: Form = Form.VALUE
) -> tuple[Sequence[object], list[tuple[int, str]]]:
    """The values of a column, and (row, reason) of its rejects."""
    shaped, rejects = RowConverter(Table("t", (declared,)), ["x"], form).convert(rows(["x"], *zip(cells)))
    return list(shaped.columns[0]), [(reject.position.row, reject.reason) for reject in rejects]


def both(declared: Column, *cells: str) -> list[object]:
    """The values of texts converted at once, which are those of each text beside one that is not regular."""
    values, rejects = read(declared, *cells)
    assert rejects == []
    for cell, value in zip(cells, values, strict=True):
        alone, rejects = read(declared, cell, "\tno\n")
        assert (list(alone), [row for row, _ in rejects]) == ([value], [2])
        assert type(alone[0]) is type(value)
    return list(values)


@pytest.mark.parametrize(
    ("rules", "texts", "numbers"),
    [
        (COMMA, ("1.234.567,89", "-1.234,5", "1234,5", "0,5", ",5", "7", "+7", " 12,50 "), None),
        (ValueRules(decimal=","), ("1,5", "-0,05", "3e2", "1,5E-3"), ("1.5", "-0.05", "3e2", "1.5e-3")),
        (ValueRules(thousands=("'", "\u2019")), ("1'234'567.5", "1\u2019234"), ("1234567.5", "1234")),
        (ValueRules(decimal=",", thousands=(" ", "\u00a0", "\u202f")), ("1 234,5", "1\u00a0234", "1\u202f234"), None),
        (ValueRules(thousands=(",",), indian=True), ("12,34,567.8", "1,000", "10,000"), ("1234567.8", "1000", "10000")),
        (ACCOUNT, ("(1,234.50)", "5.00-", "-3", "$5", "$ 5", "-$5", "$-5", "5 EUR", "($5)", "$(5)", "5- EUR"),
         ("-1234.50", "-5.00", "-3", "5", "5", "-5", "-5", "5", "-5", "-5", "-5")),
        (ValueRules(decimal=",", percent=Percent.FRACTION), ("12,5 %", "100%", "-3\u00a0%"), ("0.125", "1", "-0.03")),
        (ValueRules(percent=Percent.POINTS), ("12.5 %", "100%"), ("12.5", "100")),
        (ValueRules(percent=Percent.FRACTION, negative=(Negative.TRAILING,)), ("5-%", "5%-", "5+%", "5 %+", "+5%"),
         ("-0.05", "-0.05", "0.05", "0.05", "0.05")),
        (TRAILING, ("12.50-", "12.50+", "1e+3", "+7", "0000088782+"), ("-12.50", "12.50", "1000", "7", "88782")),
        (ACCOUNT, ("1,234.50+", "5+ EUR", "$5+", "3.00+", "3 EUR+"), ("1234.50", "5", "5", "3.00", "3")),
    ],
)  # fmt: skip
def test_numbers_are_written_as_the_column_says(
    rules: ValueRules, texts: tuple[str, ...], numbers: tuple[str, ...] | None
) -> None:
    expected = {
        COMMA: ("1234567.89", "-1234.5", "1234.5", "0.5", "0.5", "7", "7", "12.50"),
    }.get(rules, ("1234.5", "1234", "1234"))
    assert both(column(T.NUMERIC, rules), *texts) == [Decimal(number) for number in numbers or expected]


@pytest.mark.parametrize(
    ("rules", "text"),
    [
        *((COMMA, text) for text in ("1.23.456", "1.2345", "12.34,5", "0.123", "-0.500", "1,234.5", "1,2,3")),
        *((COMMA, text) for text in ("1 234", "1..234", "1.234.", "1.000e3", "--1", "- 1", "(1)", "1-", "1 %", "€ 1")),
        *((COMMA, text) for text in ("", " ", "1.", ".5", "\u0661\u0662", "1\n2", "NaN", "1_000", "00.123", "\u22121")),
        (ValueRules(decimal=","), "1.5"),
        (ValueRules(thousands=("'", " ")), "1'234 567"),
        (ValueRules(thousands=(",",), indian=True), "123,456"),
        (ValueRules(thousands=(",",), indian=True), "1,234,567"),
        (ValueRules(thousands=(",",)), "12,34,567"),
        *((ACCOUNT, text) for text in ("(-5)", "-(5)", "(5", "5)", "-5-", "(5)-", "$5$", "$5EUR")),
        *((ACCOUNT, text) for text in ("+5+", "-5+", "+5-", "5+-", "5++", "(5)+", "(5+)", "+", "5 +")),
        *((rules, "5+") for rules in (COMMA, ValueRules(negative=(Negative.PARENTHESES,)))),
        *((ACCOUNT, text) for text in ("$  5", "£5", "()", "$")),
        *((ValueRules(percent=Percent.FRACTION), text) for text in ("12.5", "%", "5%%", "1e3%", "% 5")),
    ],
)  # fmt: skip
def test_any_other_number_is_a_reject_that_names_the_form(rules: ValueRules, text: str) -> None:
    for beside in ((), ("1",)):
        _, rejects = read(column(T.NUMERIC, rules, nulls=()), text, *beside)
        assert rejects
        assert rejects[0] == (1, f"{text!r} is not a number with {rejects[0][1].partition(' with ')[2]}")
    assert f"decimal {rules.decimal!r}" in rejects[0][1]


def test_the_limits_of_a_column_hold_for_what_a_text_means() -> None:
    two = column(T.NUMERIC, COMMA, storage=Storage(T.NUMERIC, places=2))
    assert read(two, "1.234,567")[1] == [
        (1, "'1234.567' would be rounded: the column keeps 2 digits behind the point (written as '1.234,567')")
    ]
    assert read(column(T.INTEGER, COMMA), "1.234", "9.223.372.036.854.775.808", "1,5") == (
        [1234],
        [
            (2, "'9223372036854775808' does not fit 64 bits (written as '9.223.372.036.854.775.808')"),
            (3, "'1.5' is not an integer (written as '1,5')"),
        ],
    )
    assert read(column(T.FLOAT, COMMA), "1.234,5", "-Infinity")[0] == [1234.5, float("-inf")]
    assert read(column(T.NUMERIC, COMMA, storage=Storage(T.TEXT)), "1.234,50", form=Form.TEXT)[0] == ["1234.50"]


def test_null_texts_are_null_whatever_the_form() -> None:
    assert read(column(T.NUMERIC, COMMA, nulls=("", "-")), "1,5", "", "-", None) == (
        [Decimal("1.5"), None, None, None],
        [],
    )
    assert read(column(T.NUMERIC, COMMA, nullable=False), "1,5", "")[1] == [(2, "is null, but may not be")]


def test_numbers_of_json_are_numbers_already() -> None:
    batch = records({"x": Decimal("1.234")}, {"x": "1.234"}, {"x": 5}, {"x": None})
    shaped, rejects = RowConverter(Table("t", (column(T.NUMERIC, COMMA),)), (), Form.VALUE).convert(batch)
    assert (list(shaped.columns[0]), rejects) == ([Decimal("1.234"), Decimal(1234), Decimal(5), None], ())


numbers = st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**12), max_value=10**12)


@given(st.data())
def test_a_number_in_any_style_is_read_back(data: st.DataObject) -> None:
    indian = data.draw(st.booleans())
    decimal, separator = data.draw(st.sampled_from([(",", "."), (".", ","), (",", "\u202f"), (".", "'"), (",", " ")]))
    rules = ValueRules(
        decimal=decimal,
        thousands=(separator,),
        indian=indian,
        negative=(Negative.PARENTHESES, Negative.TRAILING),
        currency=("€", "kr."),
    )
    written = data.draw(st.lists(numbers, min_size=1, max_size=6))
    texts = []
    for number in written:
        whole, _, fraction = f"{abs(number):f}".partition(".")
        if data.draw(st.booleans()):
            whole = _grouped(whole, separator, indian=indian)
        text = whole + (decimal + fraction if fraction.strip("0") else "")
        sign = data.draw(st.sampled_from(["", "€", "€ ", "kr.", " kr.", "\u00a0€"]))
        text = sign + text if sign and not sign[0].isspace() else text + sign
        styles = ["-{}", "({})", "{}-"] if number < 0 else ["{}", "+{}", "{}+"]
        texts.append(data.draw(st.sampled_from(styles)).format(text))
    assert read(column(T.NUMERIC, rules), *texts) == (written, [])


def _grouped(digits: str, separator: str, *, indian: bool) -> str:
    size = 3
    groups: list[str] = []
    while digits:
        groups.insert(0, digits[-size:])
        digits = digits[:-size]
        size = 2 if indian else 3
    return separator.join(groups)


@given(
    st.text(alphabet="0123456789.,-+()€ %e\u00a0\n", max_size=9),
    st.sampled_from(STYLES),
)
def test_a_column_at_once_takes_what_each_text_alone_is(text: str, rules: ValueRules) -> None:
    declared = column(T.NUMERIC, rules, nulls=())
    assert read(declared, text)[0] == read(declared, text, "no")[0]


def test_booleans_have_the_words_of_the_column_and_no_others() -> None:
    declared = column(T.BOOLEAN, ValueRules(true=("J", "oui"), false=("N",)))
    assert both(declared, "J", "oui", "N") == [True, True, False]
    assert read(declared, "true", "j", "1")[1] == [
        (row, f"{text!r} is none of the words for true and false: 'J' or 'oui' or 'N'")
        for row, text in enumerate(("true", "j", "1"), 1)
    ]
    shaped, _ = RowConverter(Table("t", (declared,)), (), Form.VALUE).convert(records({"x": True}, {"x": "N"}))
    assert list(shaped.columns[0]) == [True, False]


@pytest.mark.parametrize(
    ("formats", "rules", "text", "moment"),
    [
        (("%d.%m.%Y %H:%M",), ValueRules(), "31.12.2024 23:30", datetime(2024, 12, 31, 23, 30, tzinfo=UTC)),
        (("%d.%m.%Y %H:%M",), ValueRules(), "1.2.2024 3:05", datetime(2024, 2, 1, 3, 5, tzinfo=UTC)),
        (("epoch_s",), ValueRules(), "1706745600", datetime(2024, 2, 1, tzinfo=UTC)),
        (("epoch_s",), ValueRules(), "-1.5", datetime(1969, 12, 31, 23, 59, 58, 500_000, UTC)),
        (("epoch_ms",), ValueRules(), "1706745600123", datetime(2024, 2, 1, 0, 0, 0, 123_000, UTC)),
        (("epoch_us",), ValueRules(), "1706745600123456", datetime(2024, 2, 1, 0, 0, 0, 123_456, UTC)),
        (("epoch_ns",), ValueRules(), "1706745600123456000", datetime(2024, 2, 1, 0, 0, 0, 123_456, UTC)),
        (("%d/%m/%Y", "epoch_s"), ValueRules(), "0", datetime(1970, 1, 1, tzinfo=UTC)),
        ((), ValueRules(end_of_day=True), "2026-01-31 24:00", datetime(2026, 2, 1, tzinfo=UTC)),
        ((), ValueRules(end_of_day=True), "2026-12-31T24:00:00.000Z", datetime(2027, 1, 1, tzinfo=UTC)),
        (("%d.%m.%Y %H:%M",), ValueRules(end_of_day=True), "24.12.2024 24:00", datetime(2024, 12, 25, tzinfo=UTC)),
        (("%d.%m.%y",), ValueRules(pivot=30), "01.02.29", datetime(2029, 2, 1, tzinfo=UTC)),
        (("%d.%m.%y",), ValueRules(pivot=30), "01.02.30", datetime(1930, 2, 1, tzinfo=UTC)),
        (("%d.%m.%y",), ValueRules(pivot=100), "01.02.99", datetime(2099, 2, 1, tzinfo=UTC)),
        ((), ValueRules(timezone="Europe/Berlin"), "2024-07-01 12:00", datetime(2024, 7, 1, 10, tzinfo=UTC)),
        ((), ValueRules(timezone="Europe/Berlin"), "2024-03-31 12:00", datetime(2024, 3, 31, 10, tzinfo=UTC)),
        ((), ValueRules(timezone="Europe/Berlin"), "2024-07-01 12:00Z", datetime(2024, 7, 1, 12, tzinfo=UTC)),
        ((), ValueRules(timezone="Europe/Berlin"), "2024-01-15", datetime(2024, 1, 14, 23, tzinfo=UTC)),
        ((), ValueRules(timezone="Europe/Berlin"), "1880-01-01 00:53:28", datetime(1880, 1, 1, tzinfo=UTC)),
        (("%d.%m.%Y %H:%M",), INDIA, "01.07.2024 05:30", datetime(2024, 7, 1, tzinfo=UTC)),
        ((), EARLIER, "2024-10-27 02:30", datetime(2024, 10, 27, 0, 30, tzinfo=UTC)),
        ((), LATER, "2024-10-27 02:30", datetime(2024, 10, 27, 1, 30, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_times_are_written_as_the_column_says(
    formats: tuple[str, ...], rules: ValueRules, text: str, moment: datetime
) -> None:
    declared = column(T.TIMESTAMP, rules, formats=formats)
    assert both(declared, text, text) == [moment, moment]
    # One spelling of the same moment, whichever way it was read.
    at_once, _ = read(declared, text)
    alone, _ = read(declared, text, "no")
    assert [str(value) for value in at_once] == [str(value) for value in alone]


@pytest.mark.parametrize(
    ("formats", "rules", "text", "reason"),
    [
        (("epoch_ns",), ValueRules(), "1706745600123456789", "has digits beyond microseconds, which would be lost"),
        (("epoch_s",), ValueRules(), "1.1234567", "has digits beyond microseconds, which would be lost"),
        (("epoch_s",), ValueRules(), "1706745600123", "is no time between the years 1 and 9999 as epoch_s"),
        (("epoch_s",), ValueRules(), "1e9", "is not in the format 'epoch_s'"),
        (("%d.%m.%Y",), ValueRules(), "31.02.2024", "is not in the format '%d.%m.%Y'"),
        (("%d.%m.%Y",), ValueRules(), "01.01.0000", "is not in the format '%d.%m.%Y'"),
        (("%d.%m.%Y %H:%M",), ValueRules(), "31.01.2026 24:00", "is not in the format '%d.%m.%Y %H:%M'"),
        ((), ValueRules(end_of_day=True), "2026-01-31 24:01", "is not a timestamp"),
        ((), ValueRules(end_of_day=True), "2026-01-31 24:00:00.5", "is not a timestamp"),
        ((), ValueRules(end_of_day=True), "2026-01-31T10:00+24:00", "is not a timestamp"),
        ((), ValueRules(end_of_day=True), "2026-02-30 24:00", "is not a timestamp"),
        (("epoch_s",), ValueRules(), "1700000000.123456000000000000000000001",
         "has digits beyond microseconds, which would be lost"),
        (("%d.%m.%Y",), ValueRules(), "31.12.2024\n31.12.2024", "is not in the format '%d.%m.%Y'"),
        (("%d.%m.%y",), ValueRules(pivot=0), "29.02.00", "is not in the format '%d.%m.%y'"),
        ((), ValueRules(timezone="Europe/Berlin"), "2024-03-31 02:30",
         "does not exist in Europe/Berlin: the clock is set forward from before it"),
        ((), ValueRules(timezone="Europe/Berlin"), "2024-10-27 02:30",
         "occurs twice in Europe/Berlin: set the column's fold to earlier or later"),
        ((), ValueRules(timezone="Australia/Lord_Howe"), "2024-10-06 02:15",
         "does not exist in Australia/Lord_Howe: the clock is set forward from before it"),
        ((), ValueRules(timezone="Pacific/Apia"), "2011-12-30 12:00",
         "does not exist in Pacific/Apia: the clock is set forward from before it"),
    ],
)  # fmt: skip
def test_any_other_time_is_a_reject(formats: tuple[str, ...], rules: ValueRules, text: str, reason: str) -> None:
    assert read(column(T.TIMESTAMP, rules, formats=formats), text)[1] == [(1, f"{text!r} {reason}")]


@pytest.mark.parametrize(("text", "day"), [("00061", date(1900, 3, 2)), ("24366", date(1924, 12, 31)), ("00366", None)])
def test_a_day_of_a_year_before_the_pivot_is_that_of_its_century(text: str, day: date | None) -> None:
    values, rejects = read(column(T.DATE, ValueRules(pivot=0), formats=("%y%j",)), text)
    assert (list(values), len(rejects)) == ([day] if day else [], 0 if day else 1)


def test_a_name_of_the_zone_of_this_machine_is_a_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    local = column(T.TIMESTAMP, ValueRules(), formats=("%Y-%m-%d %H:%M %Z",))
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        values, rejects = read(local, "2024-06-01 10:00 CEST", "2024-06-01 10:00 UTC")
    finally:
        monkeypatch.undo()
        time.tzset()
    assert (list(values), [row for row, _ in rejects]) == ([datetime(2024, 6, 1, 10, tzinfo=UTC)], [1])


@given(
    st.lists(st.dates(date(1900, 1, 1), date(2100, 1, 1)), min_size=1, max_size=4),
    st.sampled_from(PATTERNS),
)
def test_a_date_in_any_format_is_read_back(days: list[date], pattern: str) -> None:
    rules = ValueRules(pivot=50) if "%y" in pattern else ValueRules()
    days = [day for day in days if "%y" not in pattern or 1950 <= day.year < 2050] or [date(2000, 2, 29)]
    values, rejects = read(column(T.DATE, rules, formats=(pattern,)), *(day.strftime(pattern) for day in days))
    assert (values, rejects) == (days, [])


@given(
    st.datetimes(START, END),
    st.sampled_from(ZONES),
)
def test_a_local_time_is_that_of_the_zone(moment: datetime, zone: str) -> None:
    moment = moment.replace(second=0, microsecond=0, tzinfo=UTC)
    local = moment.astimezone(ZoneInfo(zone))
    rules = ValueRules(timezone=zone, fold=Fold.LATER if local.fold else Fold.EARLIER)
    assert read(column(T.TIMESTAMP, rules), local.strftime("%Y-%m-%d %H:%M")) == ([moment], [])


def test_texts_are_trimmed_before_they_are_compared_with_null_texts() -> None:
    trimmed = {side: ValueRules(trim=side) for side in (Trim.BOTH, Trim.LEFT, Trim.RIGHT)}
    assert read(column(T.TEXT, trimmed[Trim.BOTH]), " a\u00a0", "  ", "a b") == (["a", None, "a b"], [])
    assert read(column(T.TEXT, trimmed[Trim.LEFT]), " a ")[0] == ["a "]
    assert read(column(T.TEXT, trimmed[Trim.RIGHT]), " a ")[0] == [" a"]


def test_letters_become_upper_or_lower() -> None:
    assert read(column(T.TEXT, ValueRules(case=Case.UPPER)), "ab", "Éé") == (["AB", "ÉÉ"], [])
    assert read(column(T.TEXT, ValueRules(case=Case.LOWER)), "AB", "a\0") == (["ab"], [(2, "holds a NUL character")])
    short = column(T.TEXT, ValueRules(case=Case.UPPER), storage=Storage(T.TEXT, length=2))
    assert read(short, "aß")[1] == [(1, "'ASS' has 3 characters; the column takes 2 (written as 'aß')")]


def test_a_default_stands_for_fields_without_a_value() -> None:
    declared = column(T.NUMERIC, ValueRules(decimal=",", default="0.5"), nulls=("", "NA"), nullable=False)
    assert read(declared, "1,5", "", "NA", None) == ([Decimal("1.5"), *[Decimal("0.5")] * 3], [])


def test_a_default_stands_for_an_absent_key_but_not_for_null() -> None:
    declared = column(T.TEXT, ValueRules(default="n/a", case=Case.UPPER), source="a.b")
    batch = records({"a": {"b": "x"}}, {"a": {"b": None}}, {"a": {}}, {}, {"a": 1})
    shaped, _ = RowConverter(Table("t", (declared,)), (), Form.VALUE).convert(batch)
    assert list(shaped.columns[0]) == ["X", None, "n/a", "n/a", "n/a"]


def test_times_of_a_workbook_need_no_format() -> None:
    declared = column(T.DATE, ValueRules(), formats=("%Y-%d-%m",))
    assert read(declared, Typed("2024-01-05"), "2024-05-01") == ([date(2024, 1, 5), date(2024, 1, 5)], [])


def test_rules_are_a_part_of_a_route_only_if_there_are_any() -> None:
    assert "rules" not in identity(Column("x"))
    assert "rules" not in to_json(Column("x"))
    ruled = column(T.NUMERIC, ACCOUNT)
    assert "ValueRules(thousands=(',',), " in identity(ruled)
    assert from_json(Column, to_json(ruled)) == ruled
