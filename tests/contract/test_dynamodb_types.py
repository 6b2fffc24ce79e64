"""Types in DynamoDB: keys have the types of the table, and other attributes follow the spellings of the sample."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from contract.dynamodb_tables import STRING_KEY, DynamoServer, Keys
from contract.object_backends import MOTO, Endpoint
from penstock.model.table import Table
from penstock.tables import Form
from table_loads import LoadResult, load_into, route

NUMBER_KEY = (("id", "N"),)
MANY = 10_010
# The size of a sample, in few items.
LARGE = 300
SAMPLED = "".join(f'{{"id":{n},"v":"{"x" * 4_000}"}}\n' for n in range(LARGE))


@pytest.fixture(params=[MOTO, "emulator"])
def server(request: pytest.FixtureRequest) -> DynamoServer:
    endpoint: Endpoint = request.getfixturevalue(request.param)
    return DynamoServer(endpoint.url)


def load(server: DynamoServer, table: Table, key: str, text: str) -> LoadResult:
    return load_into(lambda _: server.sink(), Form.VALUE, key, text, route("", f"dynamodb:{table.name}"))


@pytest.mark.parametrize(
    ("keys", "texts", "expected", "rejected"),
    [
        (STRING_KEY, ["1", "01", "+1", "1.0", " 1"], [" 1", "+1", "01", "1", "1.0"], []),
        (STRING_KEY, ["2024-01-02", "2024-01-02T00:00:00Z"], ["2024-01-02", "2024-01-02T00:00:00Z"], []),
        (NUMBER_KEY, ["1", "02", "+3", "4.0", "x"], [Decimal(n) for n in range(1, 5)], [5]),
    ],
)
def test_a_key_has_the_type_of_the_table(
    server: DynamoServer, keys: Keys, texts: list[str], expected: list[object], rejected: list[int]
) -> None:
    table = server.create(keys)
    assert load(server, table, "t.csv", "id,v\n" + "".join(f"{text},x\n" for text in texts)).rejected == rejected
    assert [item["id"] for item in server.items(table)] == expected


def test_keys_that_begin_alike_do_not_collapse(server: DynamoServer) -> None:
    table = server.create()
    load(server, table, "t.csv", "id,v\n123,a\n0123,b\n+123,c\n")
    assert {item["id"]: item["v"] for item in server.items(table)} == {"123": "a", "0123": "b", "+123": "c"}


def test_inferred_times_stay_texts(server: DynamoServer) -> None:
    table = server.create()
    load(server, table, "t.jsonl", '{"id":"a","d":"2024-01-02","t":"2024-01-02 10:00","n":1.50,"b":true}\n')
    assert server.items(table) == [
        {"id": "a", "d": "2024-01-02", "t": "2024-01-02 10:00", "n": Decimal("1.5"), "b": True}
    ]


def test_after_the_sample_an_attribute_accepts_only_the_spellings_of_the_sample(server: DynamoServer) -> None:
    text = "id,n\n" + "".join(f"{n},1\n" for n in range(MANY)) + "a,02134\nb,x\nc,2\n"
    done = load(server, server.create(), "t.csv", text)
    assert (done.rows, done.rejected) == (MANY + 1, [MANY + 1, MANY + 2])


def test_keys_after_the_sample_become_attributes(server: DynamoServer) -> None:
    table = server.create(NUMBER_KEY)
    late = [
        {"id": -1, "late": "2024-01-02", "n": 1.5, "b": True},
        {"id": -2, "v": 2, "late": {"a": [1, None]}},
        {"id": -2, "late": "", "n": 3},
        {"id": -3, "late": None},
    ]
    done = load(server, table, "t.jsonl", SAMPLED + "".join(json.dumps(one) + "\n" for one in late))
    assert (done.rows, done.rejects, done.warnings) == (LARGE + 4, [], ())
    found = {item["id"]: item for item in server.items(table) if item["id"] < 0}
    assert found == {
        -3: {"id": -3},
        -2: {"id": -2, "late": "", "n": 3},
        -1: {"id": -1, "late": "2024-01-02", "n": Decimal("1.5"), "b": True},
    }


def test_many_names_after_the_sample_are_as_many_attributes(server: DynamoServer) -> None:
    table = server.create(NUMBER_KEY)
    late = "".join(f'{{"id":{-n},"k{n}":{n}}}\n' for n in range(1, 301))
    assert load(server, table, "t.jsonl", SAMPLED + late).rows == LARGE + 300
    assert {"id": -300, "k300": 300} in server.items(table)


def test_lone_surrogates_are_rejected_everywhere(server: DynamoServer) -> None:
    table = server.create()
    bad = ['{"id":"a","\\udfaa":0}', '{"id":"b","v":"\\ud800"}', '{"id":"c","v":{"\\ud800":1}}', '{"id":"\\ud800"}']
    done = load(server, table, "t.jsonl", '{"id":"x","v":"y"}\n' + "\n".join(bad) + "\n")
    assert (done.rows, done.rejected) == (1, [2, 3, 4, 5])
    late = '{"id":-1,"late":"\\ud800"}\n{"id":-2,"late":{"\\ud800":1}}\n{"id":-3,"lat\\ud800":1}\n'
    rejected = load(server, server.create(NUMBER_KEY), "t.jsonl", SAMPLED + late).rejected
    assert rejected == [LARGE + 1, LARGE + 2, LARGE + 3]


def test_if_the_route_declares_columns_other_keys_are_reported(server: DynamoServer) -> None:
    table = server.create()
    columns = route("columns = [{ name = 'id' }]", f"dynamodb:{table.name}")
    done = load_into(lambda _: server.sink(), Form.VALUE, "t.jsonl", '{"id":"a","x":1}\n', columns)
    assert done.warnings == ("1 record holds fields that no column takes: 'x'",)
    assert server.items(table) == [{"id": "a"}]


def test_values_are_items_as_their_columns_say(server: DynamoServer) -> None:
    table = server.create()
    options = """
        key = "id"
        columns = [
            { name = "id", trim = true },
            { name = "n", type = "numeric", decimal = ",", thousands = "." },
            { name = "at", type = "timestamp", format = "%d.%m.%Y %H:%M", timezone = "Europe/Berlin" },
            { name = "paid", type = "boolean", true = "J", false = "N", default = false },
        ]
        [route.parse]
        delimiter = ";"
    """
    text = "id;n;at;paid\n a ;1.234,50;01.07.2024 12:00;J\nb;1.5;;\nc;;;\n"
    loaded = load_into(lambda _: server.sink(), Form.VALUE, "t.csv", text, route(options, f"dynamodb:{table.name}"))
    assert loaded.rejected == [2]
    assert server.items(table) == [
        {"id": "a", "n": Decimal("1234.5"), "at": "2024-07-01T12:00:00+02:00", "paid": True},
        {"id": "c", "paid": False},
    ]
