"""The contract of loads into DynamoDB: one item per key, the last row wins, and rows that do not fit are rejected.

It runs on moto, and on the emulator, which checks DynamoDB's limits.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from contract.dynamodb_tables import (
    BOTH_KEYS,
    STRING_KEY,
    DynamoServer,
    Keys,
    Row,
    chunk_of,
    plan_of,
    position_at,
    rows_of,
)
from contract.object_backends import MOTO, Endpoint
from penstock.destinations.dynamodb.bookmark import DynamoBookmark
from penstock.errors import AccessDeniedError, DestinationMissingError, InvalidTableError
from penstock.model.column import Column, ColumnType, FieldCounts
from penstock.model.load import Chunk, Loaded, LoadEnd, Resume
from penstock.model.parse_options import ParseOptions
from penstock.model.table import Choice, Mode, Table, TablePlan

KB_400 = 400 * 1024


@pytest.fixture(params=[MOTO, "emulator"])
def server(request: pytest.FixtureRequest) -> DynamoServer:
    endpoint: Endpoint = request.getfixturevalue(request.param)
    return DynamoServer(endpoint.url)


@pytest.fixture
def strict(emulator: Endpoint) -> DynamoServer:
    """A server that checks the sizes of items and the keys of indexes. moto does not."""
    return DynamoServer(emulator.url)


def load(server: DynamoServer, table: Table, *rows: Row) -> Loaded:
    with server.sink() as sink:
        sink.begin(plan_of(table))
        return sink.load(chunk_of(rows_of(rows, table)))


def nested(levels: int) -> object:
    value: object = True
    for level in range(levels - 1):
        value = [value] if level % 2 else {"in": value}
    return value


def test_every_kind_of_value_becomes_an_attribute(server: DynamoServer) -> None:
    table = server.create()
    row: Row = {
        "id": 'a "quoted" \\ key\n\u2028 \U0001f6b0',
        "integer": -(2**63),
        "numeric": Decimal("12345678901234567890.123456789012345678"),
        "float": 0.1,
        "yes": True,
        "no": False,
        "day": date(2026, 2, 3),
        "moment": datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC),
        "empty": "",
        "document": {"list": [1, "a", None, True, {}, []], "half": Decimal("0.5")},
        "naïve": "ü",
    }
    assert load(server, table, row) == Loaded(1)
    assert server.items(table) == [
        {**row, "float": Decimal("0.1"), "day": "2026-02-03", "moment": "2026-02-03T04:05:06.789000+00:00"}
    ]


@pytest.mark.parametrize(
    "number",
    [
        10**38 - 1,
        10**60,
        Decimal("9.9999999999999999999999999999999999999E+125"),
        Decimal("-1E-130"),
        Decimal("1.50000000000000000000000000000000000000000000000000"),
        Decimal("-0.0"),
        Decimal("0E+500"),
        1e125,
        5e-130,
        -0.0,
    ],
    ids=str,
)
def test_a_number_keeps_its_value(server: DynamoServer, number: float | Decimal) -> None:
    table = server.create()
    assert load(server, table, {"id": "a", "n": number}) == Loaded(1)
    assert server.items(table)[0]["n"] == (Decimal(repr(number)) if isinstance(number, float) else number)


def test_a_null_is_a_missing_attribute(server: DynamoServer) -> None:
    table = server.create()
    load(server, table, {"id": "a", "x": None, "y": 1}, {"id": "b", "x": 2, "y": None})
    assert server.items(table) == [{"id": "a", "y": 1}, {"id": "b", "x": 2}]


def test_an_item_is_replaced_completely(server: DynamoServer) -> None:
    table = server.create()
    load(server, table, {"id": "a", "old": 1})
    load(server, table, {"id": "a", "new": 2})
    assert server.items(table) == [{"id": "a", "new": 2}]


def test_more_rows_than_fit_a_request_are_all_written(server: DynamoServer) -> None:
    table = server.create(BOTH_KEYS)
    rows = [{"id": f"a{n % 7}", "at": n} for n in range(251)]
    assert load(server, table, *rows) == Loaded(251)
    assert server.items(table) == sorted(rows, key=lambda row: (row["id"], row["at"]))


def test_of_rows_with_one_key_the_last_one_wins(server: DynamoServer) -> None:
    table = server.create()
    rows = [{"id": f"a{n % 40}", "n": n} for n in range(200)]
    assert load(server, table, *rows) == Loaded(200)
    assert [item["n"] for item in server.items(table)] == sorted(range(160, 200), key=lambda n: f"a{n % 40}")


def test_numbers_are_one_key_when_they_are_equal(server: DynamoServer) -> None:
    table = server.create((("id", "N"),))
    values = [1, 1.0, Decimal("1.00"), Decimal("10E-1"), 0.1, Decimal("0.1"), 100, Decimal("1E+2")]
    assert load(server, table, *({"id": value, "n": n} for n, value in enumerate(values))) == Loaded(8)
    assert server.items(table) == [{"id": Decimal("0.1"), "n": 5}, {"id": 1, "n": 3}, {"id": 100, "n": 7}]


def test_a_bad_row_is_rejected_and_the_good_one_before_it_stays(server: DynamoServer) -> None:
    table = server.create()
    rows: list[Row] = [{"id": "a", "n": 1}, {"id": "a", "n": 2}, {"id": "a", "n": float("nan")}, {"id": "b", "n": 3}]
    loaded = load(server, table, *rows)
    assert (loaded.rows, [reject.position for reject in loaded.rejects]) == (3, [position_at(2)])
    assert server.items(table) == [{"id": "a", "n": 2}, {"id": "b", "n": 3}]


def test_a_bad_row_is_rejected_although_a_good_one_follows_it(server: DynamoServer) -> None:
    table = server.create()
    loaded = load(server, table, {"id": "a", "n": float("inf")}, {"id": "a", "n": 2})
    assert (loaded.rows, [reject.position for reject in loaded.rejects]) == (1, [position_at(0)])
    assert server.items(table) == [{"id": "a", "n": 2}]


def test_a_later_chunk_overwrites_an_earlier_one(server: DynamoServer) -> None:
    table = server.create()
    with server.sink() as sink:
        sink.begin(plan_of(table))
        for number in range(3):
            rows: list[Row] = [{"id": f"a{n}", "chunk": number} for n in range(60)]
            assert sink.load(chunk_of(rows_of(rows, table), number=number)) == Loaded(60)
    assert {item["chunk"] for item in server.items(table)} == {2}


def test_a_chunk_that_is_loaded_again_changes_nothing(server: DynamoServer) -> None:
    table = server.create()
    rows: list[Row] = [{"id": f"a{n % 50}", "n": n if n % 9 else float("nan")} for n in range(100)]
    first = load(server, table, *rows)
    before = server.items(table)
    assert load(server, table, *rows) == first
    assert server.items(table) == before


def test_without_a_bookmark_a_span_starts_from_the_beginning(server: DynamoServer) -> None:
    table = server.create()
    load(server, table, {"id": "a"})
    with server.sink() as sink:
        assert sink.begin(plan_of(table)) == Resume()


def test_with_a_bookmark_it_resumes_at_the_last_chunk_whose_rejects_may_be_lost(server: DynamoServer) -> None:
    table = server.create()
    chunks = [
        Chunk(0, 30, 4, 3, [rows_of([{"id": "a"}, {"id": ""}, {"id": "b"}], table)]),
        Chunk(1, 60, 7, 3, [rows_of([{"id": "c"}], table, [4])], rejects=2),
        Chunk(2, 70, 8, 1, [rows_of([{"id": "d"}], table, [6])]),
    ]
    with server.sink(server.bookmark(table.name)) as sink:
        assert sink.begin(plan_of(table)) == Resume()
        sink.load(chunks[0])
        sink.load(chunks[1])
    with server.sink(server.bookmark(table.name)) as sink:
        assert sink.begin(plan_of(table)) == Resume(chunk=1, offset=30, row=4, rows=2, rejects=1)
        assert sink.load(chunks[1]) == Loaded(1)
        assert sink.load(chunks[1]) == Loaded(1)
        sink.load(chunks[2])
        sink.finish()
    with server.sink(server.bookmark(table.name)) as sink:
        assert sink.begin(plan_of(table)) == Resume(chunk=3, offset=70, row=8, rows=4, rejects=3)
    assert [item["id"] for item in server.items(table)] == ["a", "b", "c", "d"]


def test_an_empty_chunk_is_recorded_for_the_next_attempt(server: DynamoServer) -> None:
    table = server.create()
    with server.sink(server.bookmark(table.name)) as sink:
        sink.begin(plan_of(table))
        sink.load(Chunk(0, 0, 1, records=0, rows=()))
    with server.sink(server.bookmark(table.name)) as sink:
        assert sink.begin(plan_of(table)) == Resume(chunk=1)


def test_a_bookmark_belongs_to_one_span_of_one_job_and_expires(server: DynamoServer) -> None:
    fields = FieldCounts(2, ("é",), (("t", "late"),), ("t",))
    place = Resume(chunk=1, offset=2, row=3, rows=4, rejects=5, fields=fields)
    written = replace(server.bookmark("job", 1), clock=lambda: 1000.5, retention_days=2)
    written.record(place)
    assert server.bookmark("job", 1).read() == place
    assert server.bookmark("job", 0).read() == server.bookmark("other", 1).read() == Resume()
    item = server.client().get_item(TableName="records-jobs", Key={"pk": {"S": "load#job#1"}})["Item"]
    assert item["expires_at"] == {"N": "173800"}


def test_the_sinks_of_all_spans_see_the_end_of_a_load(server: DynamoServer) -> None:
    table = server.create()
    with server.sink(server.bookmark("job", 1)) as sink:
        sink.begin(plan_of(table))
        sink.load(chunk_of(rows_of([{"id": "a"}], table)))
        assert sink.ended() is None
    with server.sink(server.bookmark("job", 0)) as sink:
        sink.begin(plan_of(table))
        sink.finish(total := Resume(chunk=1, offset=10, row=2, rows=1))
    for span in (0, 1):
        with server.sink(server.bookmark("job", span)) as sink:
            assert sink.ended() == LoadEnd(total, Loaded(0))
    with server.sink(server.bookmark("other", 0)) as sink:
        assert sink.ended() is None


def test_the_end_of_a_load_in_one_pass_has_its_position(server: DynamoServer) -> None:
    table = server.create()
    with server.sink(server.bookmark("job")) as sink:
        sink.begin(plan_of(table))
        sink.load(chunk_of(rows_of([{"id": "a"}, {"id": "b"}], table)))
        sink.finish()
        assert sink.ended() == LoadEnd(Resume(chunk=1, offset=20, row=3, rows=2), Loaded(0))
    with server.sink() as sink:
        sink.begin(plan_of(table))
        sink.finish()
        assert sink.ended() is None


def test_a_choice_fills_several_tables(server: DynamoServer) -> None:
    songs, films = server.create(), server.create(BOTH_KEYS)
    choice = Choice("type", {"song": songs, "film": films})
    with server.sink() as sink:
        sink.begin(TablePlan(ParseOptions(), choice=choice))
        song = rows_of([{"id": "s"}, {"id": ""}], songs, [0, 3])
        film = rows_of([{"id": "f", "at": "late"}, {"id": "f", "at": 2}], films, [1, 2])
        loaded = sink.load(chunk_of(song, film))
    assert (loaded.rows, [reject.position for reject in loaded.rejects]) == (2, [position_at(1), position_at(3)])
    assert (server.items(songs), server.items(films)) == ([{"id": "s"}], [{"id": "f", "at": 2}])


def test_two_kinds_of_records_in_one_table_keep_the_order_of_the_file(server: DynamoServer) -> None:
    table = server.create()
    odd = rows_of([{"id": "a", "n": 1}, {"id": "b", "n": 3}], table, [1, 3])
    even = rows_of([{"id": "a", "m": 0}, {"id": "b", "m": 2}, {"id": "b", "m": 4}], table, [0, 2, 4])
    with server.sink() as sink:
        sink.begin(plan_of(table))
        assert sink.load(chunk_of(odd, even)) == Loaded(5)
    assert server.items(table) == [{"id": "a", "n": 1}, {"id": "b", "m": 4}]


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ({"id": None}, "id", "is part of the key, but null"),
        ({"id": ""}, "id", "is part of the key, but empty"),
        ({"id": 7}, "id", "is part of the key and must be a string, not a int"),
        ({"id": True}, "id", "is part of the key and must be a string, not a bool"),
        ({"id": "ä" * 1025}, "id", "is part of the key and has 2,050 bytes, more than 2,048"),
        ({"n": float("nan")}, "n", "NaN is not a number that DynamoDB holds"),
        ({"n": Decimal("-Infinity")}, "n", "-Infinity is not a number that DynamoDB holds"),
        ({"n": 10**38 + 1}, "n", f"{10**38 + 1} has more than the 38 digits that DynamoDB holds"),
        ({"n": 1e126}, "n", "1E+126 is beyond the magnitudes that DynamoDB holds, 1E-130 to 9.9E+125"),
        ({"n": Decimal("1E-131")}, "n", "1E-131 is beyond the magnitudes that DynamoDB holds, 1E-130 to 9.9E+125"),
        ({"n": [{"n": 1e-200}]}, "n", "1E-200 is beyond the magnitudes that DynamoDB holds, 1E-130 to 9.9E+125"),
        ({"n": nested(33)}, "n", "is nested deeper than DynamoDB's 32 levels"),
        ({"n": {1, 2}}, "n", "is a set, which DynamoDB does not have"),
        ({"n": "\ud800"}, "", "holds '\\ud800', half a surrogate pair"),
        ({"id": "\udfff"}, "", "holds '\\udfff', half a surrogate pair"),
        ({"n": "x" * (KB_400 - 3)}, "", "is an item of 409,601 bytes, more than DynamoDB's 409,600"),
    ],
)
def test_a_row_that_does_not_fit_an_item_is_rejected(server: DynamoServer, row: Row, column: str, reason: str) -> None:
    table = server.create()
    loaded = load(server, table, {"id": "a"}, {"id": "z", **row}, {"id": "b"})
    assert [(reject.position, reject.column, reject.reason) for reject in loaded.rejects] == [
        (position_at(1), column, reason)
    ]
    assert (loaded.rows, server.items(table)) == (2, [{"id": "a"}, {"id": "b"}])


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ({"id": "z", "at": "7"}, "at", "is part of the key and must be a number, not a str"),
        ({"id": "z", "at": True}, "at", "is part of the key and must be a number, not a bool"),
        ({"id": "z", "at": 10**126}, "at", f"{str(10**126)[:60]} is beyond"),
    ],
)
def test_a_row_whose_sort_key_is_not_a_number_is_rejected(
    server: DynamoServer, row: Row, column: str, reason: str
) -> None:
    table = server.create(BOTH_KEYS)
    loaded = load(server, table, {"id": "a", "at": 1}, row)
    assert [reject.column for reject in loaded.rejects] == [column]
    assert loaded.rejects[0].reason.startswith(reason[:50])
    assert server.items(table) == [{"id": "a", "at": 1}]


def test_an_item_of_the_maximum_size_is_written(strict: DynamoServer) -> None:
    table = strict.create((("id", "S"), ("sort", "S")))
    rows: list[Row] = [
        {"id": "ä" * 1024, "sort": "s"},
        {"id": "b", "sort": "x" * 1024},
        {"id": "c", "sort": "s", "n": nested(32)},
        {"id": "d", "sort": "s", "n": "x" * (KB_400 - 9)},
    ]
    assert load(strict, table, *rows, {"id": "e", "sort": "x" * 1025}).rows == 4
    assert strict.items(table) == sorted(rows, key=lambda row: str(row["id"]))


def test_a_row_that_only_dynamodb_rejects_is_found_among_the_good_ones(strict: DynamoServer) -> None:
    table = strict.create(index=("owner", "S"))
    rows: list[Row] = [{"id": f"{n:02}", "owner": n if n in {3, 17, 18} else f"owner {n}"} for n in range(30)]
    loaded = load(strict, table, *rows)
    assert loaded.rows == 27
    assert [reject.position for reject in loaded.rejects] == [position_at(3), position_at(17), position_at(18)]
    assert all(reject.reason.startswith("was refused by DynamoDB: ") for reject in loaded.rejects)
    assert [item["id"] for item in strict.items(table)] == [f"{n:02}" for n in range(30) if n not in {3, 17, 18}]


def test_if_the_last_row_of_a_key_is_rejected_the_previous_one_counts(strict: DynamoServer) -> None:
    table = strict.create(index=("owner", "S"))
    rows: list[Row] = [{"id": "a", "owner": owner} for owner in ("first", "second", 3, 4)]
    loaded = load(strict, table, *rows, {"id": "b", "owner": 5})
    assert (loaded.rows, [reject.position for reject in loaded.rejects]) == (
        2,
        [position_at(2), position_at(3), position_at(4)],
    )
    assert strict.items(table) == [{"id": "a", "owner": "second"}]


def test_items_are_kept_whether_the_job_finishes_or_aborts(server: DynamoServer) -> None:
    table = server.create()
    with server.sink() as sink:
        sink.begin(plan_of(table))
        sink.load(chunk_of(rows_of([{"id": "a"}], table)))
        sink.finish()
        sink.finish()
        sink.abort()
        sink.abort()
    assert server.items(table) == [{"id": "a"}]


def test_a_missing_table_is_a_permanent_error(server: DynamoServer) -> None:
    with server.sink() as sink, pytest.raises(DestinationMissingError, match="DescribeTable on table nowhere") as error:
        sink.begin(plan_of(Table("nowhere", mode=Mode.UPSERT)))
    assert error.value.hint == "Create the DynamoDB table, or correct the route's destination."


def columns(**types: ColumnType) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in types.items())


@pytest.mark.parametrize(
    ("keys", "change", "problem"),
    [
        (STRING_KEY, {"mode": Mode.APPEND}, "mode must be upsert"),
        (STRING_KEY, {"mode": Mode.REPLACE}, "mode must be upsert"),
        (STRING_KEY, {"key": ("name",)}, r"its key is 'id' \(a string\), not 'name'"),
        (BOTH_KEYS, {"key": ("id",)}, r"its key is 'id' \(a string\), 'at' \(a number\), not 'id'"),
        (BOTH_KEYS, {"columns": columns(id=ColumnType.TEXT, n=ColumnType.TEXT)}, "no column is named 'at'"),
        (STRING_KEY, {"columns": columns(id=ColumnType.INTEGER)}, "column 'id' is integer"),
        (BOTH_KEYS, {"columns": columns(id=ColumnType.DATE, at=ColumnType.TIMESTAMP)}, "column 'at' is timestamp"),
        ((("id", "B"),), {}, "records have no value for its key"),
    ],
)
def test_the_columns_of_a_route_must_fit_the_key_of_the_table(
    server: DynamoServer, keys: Keys, change: dict[str, Any], problem: str
) -> None:
    table = replace(server.create(keys), **change)
    with server.sink() as sink, pytest.raises(InvalidTableError, match=problem):
        sink.begin(plan_of(table))


def test_a_key_may_be_declared_in_any_order_with_columns_of_its_types(server: DynamoServer) -> None:
    table = server.create(BOTH_KEYS)
    declared = columns(at=ColumnType.NUMERIC, id=ColumnType.TIMESTAMP)
    with server.sink() as sink:
        sink.begin(plan_of(replace(table, key=("at", "id"), columns=declared)))


def test_rows_without_a_column_of_the_key_are_an_error_not_rejects(server: DynamoServer) -> None:
    table = server.create(BOTH_KEYS)
    with pytest.raises(InvalidTableError, match="no column is named 'at', which is in its key"):
        load(server, table, {"id": "a"})


@pytest.fixture
def restricted(emulator: Endpoint) -> Iterator[Any]:
    """Create a sink for a user with these permissions only."""
    iam = emulator.client("iam")
    with ExitStack() as undo:

        def server(user: str, *actions: str) -> DynamoServer:
            iam.create_user(UserName=user)
            statement = {"Effect": "Allow", "Action": actions, "Resource": "arn:aws:dynamodb:*:*:table/records-*"}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
            iam.put_user_policy(UserName=user, PolicyName="records", PolicyDocument=policy)
            undo.callback(iam.delete_user_policy, UserName=user, PolicyName="records")
            key = iam.create_access_key(UserName=user)["AccessKey"]
            return DynamoServer(emulator.url, key["AccessKeyId"], key["SecretAccessKey"])

        yield server


def test_a_bookmark_needs_two_rights_on_the_jobs_table(emulator: Endpoint, restricted: Any) -> None:
    DynamoServer(emulator.url).bookmark("job")
    both = restricted("bookmarker", "dynamodb:GetItem", "dynamodb:UpdateItem")
    bookmark = DynamoBookmark(both.client(), "records-jobs", "restricted")
    bookmark.record(Resume(chunk=1))
    assert bookmark.read() == Resume(chunk=1)
    neither = replace(bookmark, client=restricted("stranger", "dynamodb:DescribeTable").client())
    with pytest.raises(AccessDeniedError, match="dynamodb:GetItem on table records-jobs"):
        neither.read()
    with pytest.raises(AccessDeniedError, match="dynamodb:UpdateItem on table records-jobs"):
        neither.record(Resume())


def test_two_rights_are_needed_and_enough(emulator: Endpoint, restricted: Any) -> None:
    everyone = DynamoServer(emulator.url)
    table = everyone.create()
    assert load(restricted("both", "dynamodb:DescribeTable", "dynamodb:BatchWriteItem"), table, {"id": "a"}).rows == 1
    with pytest.raises(AccessDeniedError, match=f"dynamodb:BatchWriteItem on table {table.name}"):
        load(restricted("describer", "dynamodb:DescribeTable"), table, {"id": "b"})
    with pytest.raises(AccessDeniedError, match=f"dynamodb:DescribeTable on table {table.name}"):
        load(restricted("writer", "dynamodb:BatchWriteItem"), table, {"id": "c"})
    assert everyone.items(table) == [{"id": "a"}]
