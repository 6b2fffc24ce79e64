"""The options of one column for how its texts are written: what they mean, and which cannot hold together."""

from __future__ import annotations

import pytest

from penstock.errors import InvalidRouteError
from penstock.model.column import Column, ColumnType
from penstock.model.value_rules import USUAL, Case, Fold, Negative, Percent, Trim, ValueRules
from penstock.routes import parse_routes

STACK = {"source_bucket": "drops", "destination_bucket": "lake", "work_bucket": "work", "records_table": "records-1"}


def column(options: str, destination: str = "postgresql:public.orders") -> Column:
    text = f"""
        [[route]]
        name = 'r'
        match = '*.csv'
        destination = '{destination}'
        [route.table]
        columns = [{{ name = "x", {options} }}]
    """
    plan = parse_routes(text, "routes.toml", STACK).routes[0].plan
    assert plan
    assert plan.table
    return plan.table.columns[0]


@pytest.mark.parametrize(
    ("options", "rules"),
    [
        ("type = 'numeric', decimal = ',', thousands = '.'", ValueRules(decimal=",", thousands=(".",))),
        ("type = 'integer', thousands = [' ', '\u202f']", ValueRules(thousands=(" ", "\u202f"))),
        ("type = 'float', thousands = ',', grouping = 'indian'", ValueRules(thousands=(",",), indian=True)),
        (
            "type = 'numeric', negative = ['parentheses', 'trailing'], currency = '€'",
            ValueRules(negative=(Negative.PARENTHESES, Negative.TRAILING), currency=("€",)),
        ),
        ("type = 'numeric', percent = 'fraction'", ValueRules(percent=Percent.FRACTION)),
        ("type = 'boolean', true = ['J'], false = ['N', '-']", ValueRules(true=("J",), false=("N", "-"))),
        ("type = 'boolean', true = 'x', false = '', nulls = []", ValueRules(true=("x",), false=("",))),
        (
            "type = 'timestamp', timezone = 'Europe/Berlin', fold = 'later', end_of_day = true",
            ValueRules(timezone="Europe/Berlin", fold=Fold.LATER, end_of_day=True),
        ),
        ("type = 'date', format = '%d.%m.%y', pivot = 0", ValueRules(pivot=0)),
        ("type = 'timestamp', format = ['epoch_ms', '%Y%m%d']", USUAL),
        ("trim = true, upper = true", ValueRules(trim=Trim.BOTH, case=Case.UPPER)),
        ("trim = 'left', lower = true", ValueRules(trim=Trim.LEFT, case=Case.LOWER)),
        ("trim = false, upper = false", USUAL),
        ("type = 'numeric', decimal = ',', default = 0.5", ValueRules(decimal=",", default="0.5")),
        ("type = 'date', format = '%d.%m.%Y', default = 1999-12-31", ValueRules(default="1999-12-31")),
        (
            "type = 'boolean', true = 'J', false = 'N', default = false",
            ValueRules(true=("J",), false=("N",), default="false"),
        ),
        ("default = ''", ValueRules(default="")),
    ],
)  # fmt: skip
def test_a_column_says_how_its_texts_are_written(options: str, rules: ValueRules) -> None:
    assert column(options).rules == rules


NUMBERS = "is for columns of type integer, numeric, float, not for text: declare the type"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("decimal = ','", f"decimal: {NUMBERS}"),
        ("thousands = '.'", f"thousands: {NUMBERS}"),
        ("type = 'date', currency = '€'", f"currency: {NUMBERS.replace('text', 'date')}"),
        ("type = 'integer', percent = 'points'", "percent: is for columns of type numeric, float, not for integer: "),
        ("type = 'date', timezone = 'UTC'", "timezone: is for columns of type timestamp, not for date: "),
        ("type = 'numeric', upper = true", "upper: is for columns of type text, not for numeric: "),
        ("type = 'json', trim = true", "trim: is for columns of type text, integer, numeric, float, boolean, date, "),
        ("type = 'numeric', decimal = ';'", "decimal: must be one of ., ,, not ';'"),
        ("type = 'numeric', thousands = '.'", "thousands: is also the decimal sign '.': set decimal = ','"),
        ("type = 'numeric', thousands = ';'", "thousands: must be of "),
        ("type = 'numeric', grouping = 'indian'", "grouping: needs thousands, the sign between groups"),
        ("type = 'numeric', negative = '+'", "negative: must be of parentheses, trailing, not '+'"),
        ("type = 'numeric', currency = '%'", "currency: '%' is a part of numbers, and no currency sign"),
        ("type = 'numeric', currency = 'E'", "currency: 'E' is a part of numbers, and no currency sign"),
        ("type = 'numeric', percent = true", "percent: must be one of fraction, points, not True"),
        ("type = 'boolean', true = 'J'", "false: is missing: with true, the column takes no other words"),
        ("type = 'boolean', true = 'J', false = 'J'", "false: 'J' is also a word for true"),
        ("type = 'boolean', true = 'J', false = ''", "false: '' is also a text for NULL: set the column's nulls"),
        ("type = 'timestamp', timezone = 'Europe/Berln'", "timezone: 'Europe/Berln' is not a time zone; did you mean "),
        ("type = 'timestamp', timezone = '../etc'", "timezone: '../etc' is not a time zone"),
        ("type = 'timestamp', fold = 'later'", "fold: needs timezone: the clock of UTC is never set back"),
        ("type = 'timestamp', timezone = 'UTC', format = '%Y %Z'", "format: %Z contradicts timezone"),
        ("type = 'date', format = 'epoch_s'", "format: epoch_s is for timestamp, not for date"),
        ("type = 'timestamp', format = ['epoch_s', 'epoch_ms']", "format: epoch_s and epoch_ms cannot be told apart"),
        ("type = 'date', pivot = 30", "pivot: is for two-digit years: a format needs %y"),
        ("type = 'date', format = '%y-%W-%u', pivot = 30", "pivot: cannot tell the year of a week"),
        ("type = 'date', format = '%y%m%d', pivot = 101", "pivot: must be a whole number from 0 to 100, not 101"),
        ("type = 'timestamp', end_of_day = true, format = '%Y%m%d%H%M'", "end_of_day: is for formats with %H:%M"),
        ("upper = true, lower = true", "lower: contradicts upper: set one of them"),
        ("trim = 'up'", "trim: must be one of left, right, both, not 'up'"),
        ("type = 'integer', default = 'x'", "default: is not a value of the column: 'x' is not an integer"),
        ("type = 'date', default = ''", "default: '' is also a text for NULL"),
        ("type = 'json', default = 'null'", "default: is null"),
        ("default = []", "default: must be a text, a number, a date, true or false, not []"),
        ("absent = 'unset', default = 'a'", "absent: contradicts default, which is loaded where a key is absent"),
        ("absent = 'none'", "absent: must be one of null, unset, not 'none'"),
        ("type = 'text[]', upper = true", "upper: is not for columns of type text[]"),
        ("type = 'text[]', hash = 'sha256'", "hash: is not for columns of type text[]"),
        ("type = 'text[]', default = 'a'", "default: 'a' is not an array of PostgreSQL, such as {1,2}"),
        ("type = 'numeric', decimel = ','", "decimel: is not a field of a column; did you mean 'decimal'?"),
    ],
)  # fmt: skip
def test_options_that_cannot_hold_together_are_refused(options: str, problem: str) -> None:
    with pytest.raises(InvalidRouteError) as error:
        column(options)
    assert f"columns[0].{problem}" in str(error.value)


def test_a_column_may_be_an_array() -> None:
    tags = column("type = 'integer[]', default = '{1,NULL}'")
    assert (tags.type, tags.elements, tags.rules.default) == (ColumnType.TEXT, ColumnType.INTEGER, "{1,NULL}")


def test_dynamodb_has_no_arrays() -> None:
    with pytest.raises(InvalidRouteError, match="columns: arrays are of postgresql: a list is a value of type json"):
        column("type = 'text[]'", "dynamodb:t")


@pytest.mark.parametrize(
    ("table", "destination", "problem"),
    [
        ("key = 'x'", "postgresql:t", "'x' cannot be unset: a row needs its key, and a column"),
        ("", "postgresql:t", "'x' cannot be unset: a row needs its key, and a column"),
        ("key = 'id'\nmode = 'replace'", "postgresql:t", "is not for atomic or replace with a key"),
        ("key = 'id'", "dynamodb:t", "is for defaults of postgresql"),
    ],
)
def test_what_cannot_be_unset_is_refused(table: str, destination: str, problem: str) -> None:
    columns = "{ name = 'x', absent = 'unset' }" + (", { name = 'id' }" if "id" in table else "")
    head = f"[[route]]\nname = 'r'\nmatch = '*'\ndestination = '{destination}'\n[route.table]\n"
    with pytest.raises(InvalidRouteError, match=problem):
        parse_routes(f"{head}{table}\ncolumns = [{columns}]", "routes.toml", STACK)


def test_an_unknown_option_is_answered_with_all_that_there_are() -> None:
    with pytest.raises(InvalidRouteError) as error:
        column("nul = ['']")
    known = str(error.value).partition("known are ")[2].split(", ")
    assert {"hash", "mask", "percent", "default", "trim", "pivot", "upper", "nulls"} <= {*known}
