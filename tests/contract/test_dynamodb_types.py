"""Into DynamoDB: keys have the table's types, and other attributes keep to the spellings of the sample."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contract.dynamodb_tables import STRING_KEY, DynamoServer, Keys
from contract.object_backends import Endpoint
from penstock.records import Table
from penstock.tables import Form
from table_loads import Done, load_into, route

NUMBER_KEY = (("id", "N"),)
MANY = 10_010


@pytest.fixture(params=["moto", "emulator"])
def server(request: pytest.FixtureRequest) -> DynamoServer:
    endpoint: Endpoint = request.getfixturevalue(request.param)
    return DynamoServer(endpoint.url)


def load(server: DynamoServer, table: Table, key: str, text: str) -> Done:
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


def test_times_that_are_inferred_stay_the_texts_that_they_are(server: DynamoServer) -> None:
    table = server.create()
    load(server, table, "t.jsonl", '{"id":"a","d":"2024-01-02","t":"2024-01-02 10:00","n":1.50,"b":true}\n')
    assert server.items(table) == [
        {"id": "a", "d": "2024-01-02", "t": "2024-01-02 10:00", "n": Decimal("1.5"), "b": True}
    ]


def test_behind_the_sample_an_attribute_takes_the_spellings_of_the_sample_only(server: DynamoServer) -> None:
    text = "id,n\n" + "".join(f"{n},1\n" for n in range(MANY)) + "a,02134\nb,x\nc,2\n"
    done = load(server, server.create(), "t.csv", text)
    assert (done.rows, done.rejected) == (MANY + 1, [MANY + 1, MANY + 2])
