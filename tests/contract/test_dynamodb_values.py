"""DynamoDB stores every value unchanged, and sizes of items are computed as DynamoDB does."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from contract.dynamodb_tables import DynamoServer, Row, chunk_of, plan_of, rows_of
from contract.object_backends import Endpoint
from lengths import examples
from penstock.aws.dynamodb_client import EncodedPuts, take_encoded_puts
from penstock.aws.dynamodb_values import encode, item_size, number_text
from penstock.destinations.dynamodb.items import MAX_ITEM
from penstock.model.load import Loaded
from penstock.model.table import Table

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
names = texts.filter(bool)


@st.composite
def exact_decimals(draw: Callable[..., Any]) -> Decimal:
    """Any number that DynamoDB can store, in any notation."""
    digits = draw(st.integers(1, 10**38 - 1))
    adjusted = draw(st.integers(-130, 125) | st.integers(-5, 5))
    exponent = adjusted - len(str(digits)) + 1
    zeros = draw(st.integers(0, 50))
    return Decimal(f"{draw(st.sampled_from('+-'))}{digits}{'0' * zeros}E{exponent - zeros}")


floats = st.floats(1e-130, 9e125) | st.floats(-9e125, -1e-130) | st.sampled_from([0.0, -0.0, 0.1, 1e22])
numbers = st.integers(-(2**63), 2**63) | exact_decimals() | floats
scalars = texts | numbers | st.booleans() | st.none()
documents = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=4))
times = st.dates() | st.datetimes(timezones=st.just(UTC))
rows_strategy = st.lists(
    st.dictionaries(names.filter(lambda name: name != "id"), documents | times, max_size=6), max_size=8
)


@pytest.fixture(scope="module")
def server(emulator: Endpoint) -> DynamoServer:
    return DynamoServer(emulator.url)


@pytest.fixture(scope="module")
def table(server: DynamoServer) -> Table:
    return server.create()


def kept(value: object) -> object:
    """The items that DynamoDB returns."""
    match value:
        case float():
            return Decimal(repr(value))
        case date() | datetime():
            return value.isoformat()
        case list():
            return list(map(kept, value))
        case dict():
            return {name: kept(inner) for name, inner in value.items()}
    return value


@given(rows=rows_strategy)
@settings(max_examples=examples(60))
def test_every_item_is_returned_unchanged(server: DynamoServer, table: Table, rows: list[dict[str, object]]) -> None:
    numbered: list[Row] = [{"id": str(n), **row} for n, row in enumerate(rows)]
    with server.sink() as sink:
        sink.begin(plan_of(table))
        assert sink.load(chunk_of(rows_of([{"id": "x"}, *numbered], table))) == Loaded(1 + len(rows))
    stored = [item for item in server.items(table) if item["id"] in set(map(str, range(len(rows))))]
    assert stored == [{name: kept(value) for name, value in row.items() if value is not None} for row in numbered]


@given(number=exact_decimals())
def test_a_number_is_written_exactly(number: Decimal) -> None:
    assert Decimal(number_text(number)) == number


@given(value=st.recursive(texts | st.integers(-(10**37), 10**37) | st.booleans() | st.none(), st.lists))
def test_the_json_is_that_of_boto3(value: object) -> None:
    assert json.loads(encode(value)) == TypeSerializer().serialize(value)


def test_a_request_is_that_of_botocore() -> None:
    sent: list[Any] = []

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        sent.append(request)
        raw: Any = SimpleNamespace(stream=lambda *args, **kwargs: iter([b"{}"]))
        return AWSResponse(request.url or "", 200, HTTPHeaders(), raw)

    client = DynamoServer("http://127.0.0.1:1").client()
    client.meta.events.register("before-send.dynamodb", answer)
    take_encoded_puts(client)
    take_encoded_puts(client)
    puts: list[Any] = [{"PutRequest": {"Item": {"id": {"S": key}, "ü": {"N": "1"}}}} for key in ("a", "b")]
    client.batch_write_item(RequestItems={"records": puts})
    client.batch_write_item(RequestItems=EncodedPuts("records", [json.dumps(put).encode() for put in puts]))
    plain, encoded = sent
    assert json.loads(encoded.body) == json.loads(plain.body) == {"RequestItems": {"records": puts}}
    volatile = {"Authorization", "X-Amz-Date", "Content-Length", "amz-sdk-invocation-id"}
    headers = [{name: value for name, value in request.headers.items() if name not in volatile} for request in sent]
    assert headers[0] == headers[1]
    assert encoded.headers["Content-Length"] == str(len(encoded.body))


@given(row=st.dictionaries(names.filter(lambda name: name not in {"id", "padding"}), documents, max_size=8))
@settings(max_examples=25)
def test_the_size_of_an_item_is_that_of_dynamodb(server: DynamoServer, table: Table, row: dict[str, object]) -> None:
    attributes = {"id": "edge", **{name: value for name, value in row.items() if value is not None}, "padding": ""}
    padding = MAX_ITEM - item_size(attributes.items())

    def put(length: int) -> None:
        item = attributes | {"padding": "x" * length}
        parts = [f"{json.dumps(name)}:{encode(value)}" for name, value in item.items()]
        json_text = '{"PutRequest":{"Item":{' + ",".join(parts) + "}}}"
        client = server.client()
        take_encoded_puts(client)
        client.batch_write_item(RequestItems=EncodedPuts(table.name, [json_text.encode()]))

    put(padding)
    with pytest.raises(ClientError, match="Item size has exceeded the maximum allowed size"):
        put(padding + 1)
