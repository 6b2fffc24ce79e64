"""JSON Lines: what json reads from each line, exactly, and a reject for each line that it does not."""

from __future__ import annotations

import json
import math
import tracemalloc
from collections.abc import Iterator
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lengths import examples
from parser_checks import (
    BATCHES,
    assert_chunks_do_not_matter,
    assert_every_boundary_can_be_entered,
    parsed,
    rejects_of,
    rows_of,
)
from penstock.errors import InvalidRouteError
from penstock.formats import parse
from penstock.formats.jsonl.form import JsonForm, form_of
from penstock.model.parse_options import Format, ParseOptions
from penstock.model.record import RAW_LIMIT, Batch

LINES = ParseOptions(format=Format.JSONL)

texts = st.text(max_size=5)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False).map(float) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def exact(line: str) -> object:
    return json.loads(line, parse_float=Decimal)


@given(
    st.lists(values, max_size=8),
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\n\n", "\n \t\n"]),
    st.booleans(),
    st.sampled_from(BATCHES),
)
@settings(max_examples=examples(150), deadline=None)
def test_what_json_writes_is_read_back(
    records: list[object], ascii_only: bool, between: str, ended: bool, batch_bytes: int
) -> None:
    lines = [json.dumps(record, ensure_ascii=ascii_only) for record in records]
    data = (between.join(lines) + (between if ended else "")).encode("utf-8", "surrogatepass")
    batches = assert_chunks_do_not_matter(data, LINES, batch_bytes)
    assert rows_of(batches) == [exact(line) for line in lines]
    assert not rejects_of(batches)
    assert_every_boundary_can_be_entered(data, LINES, batch_bytes)


@given(
    st.lists(
        st.text('[]{},:"1a \\', max_size=6)
        | st.sampled_from(['{"a":1}', "1],[2", "[1", "2]", "3,4", '"a', 'b"', "NaN"]),
        max_size=8,
    ),
    st.sampled_from(BATCHES),
)
@settings(max_examples=examples(400), deadline=None)
def test_every_line_stands_for_itself(lines: list[str], batch_bytes: int) -> None:
    assume(form_of("\n".join(lines).encode(), "utf-8") is JsonForm.LINES)
    batches = parsed("\n".join(lines).encode(), LINES, batch_bytes=batch_bytes)
    filled = [line for line in lines if line.strip()]
    good = {}
    # No constant is an int: NaN is a ValueError here too.
    for row, line in enumerate(filled, 1):
        try:
            good[row] = json.loads(line, parse_constant=int)
        except ValueError:
            continue
    assert {batch.position(i).row: row for batch in batches for i, row in enumerate(batch.rows)} == good
    assert sum(batch.count for batch in batches) == len(filled)


def one(data: bytes, options: ParseOptions = LINES) -> Batch:
    (batch,) = parsed(data, options, batch_bytes=10_000_000, chunk=65536)
    return batch


def test_numbers_are_exact() -> None:
    (row,) = one(b'{"i": 12345678901234567890123, "d": 0.1000000000000000055511151231257827, "e": 1E+400}').rows
    assert row == {
        "i": 12345678901234567890123,
        "d": Decimal("0.1000000000000000055511151231257827"),
        "e": Decimal("1E+400"),
    }


def test_of_a_doubled_key_the_last_value_stands() -> None:
    assert one(b'{"a": 1, "a": 2}').rows == [{"a": 2}]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1', "not JSON: Expecting ',' delimiter (column 8)"),
        (b"{'a': 1}", "not JSON: Expecting property name enclosed in double quotes (column 2)"),
        (b'{"a": 1} {"a": 2}', "not JSON: Extra data (column 10)"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": "\xff"}', "not utf-8 at byte 17"),
        (b"[" * 200_000, "nested too deeply"),
        (b"9" * 5000, "an integer has too many digits"),
        (b"1e99999999999999999999", "a number's exponent is too large"),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_a_bad_line_is_rejected_for_its_reason(line: bytes, reason: str) -> None:
    batch = one(b'{"ok": 1}\n' + line + b'\n{"ok": 2}\n')
    assert batch.rows == [{"ok": 1}, {"ok": 2}]
    (reject,) = batch.rejects
    assert (reject.position.row, reject.position.offset, reject.reason) == (2, 10, reason)
    assert reject.position.raw == line.decode("utf-8", "backslashreplace")[:RAW_LIMIT]


def test_values_that_are_no_records_are_left_to_the_shaper() -> None:
    assert one(b'1\n"a"\nnull\n[]\n').rows == [1, "a", None, []]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides_the_encoding(encoding: str) -> None:
    data = '{"a": "Zürich"}\n{"a": }\n'.encode(encoding)
    batch = one(data)
    assert batch.rows == [{"a": "Zürich"}]
    assert data[batch.rejects[0].position.offset :].decode(encoding.replace("-sig", "")).strip().endswith('{"a": }')


def test_a_line_over_the_limit_is_rejected_and_the_next_one_read() -> None:
    long = json.dumps({"a": "é" * 50_000}, ensure_ascii=False)
    data = f'{{"a": 1}}\n{long}\n{{"a": 2}}\n'.encode()
    batches = parsed(data, ParseOptions(format=Format.JSONL, max_record=1000), chunk=333)
    assert rows_of(batches) == [{"a": 1}, {"a": 2}]
    (reject,) = (reject for batch in batches for reject in batch.rejects)
    assert (reject.position.row, reject.position.offset, reject.reason) == (2, 9, "longer than 1,000 bytes")
    assert reject.position.raw == long[:RAW_LIMIT]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_last_line_over_the_limit_is_rejected(encoding: str) -> None:
    data = ("1\n" + "2" * 300_001).encode(encoding)
    batches = parsed(data, ParseOptions(format=Format.JSONL, max_record=1000), chunk=33_333)
    assert rejects_of(batches) == [(2, "longer than 1,000 bytes")]
    assert batches[-1].end == len(data)


def test_a_line_of_100_mb_does_not_take_100_mb() -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"a": 1}\n"'
        yield from (b"y" * 1_000_000 for _ in range(100))
        yield b'"\n{"a": 2}\n'

    tracemalloc.start()
    batches = list(parse(chunks(), LINES, batch_bytes=1024 * 1024))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rows_of(batches) == [{"a": 1}, {"a": 2}]
    assert peak < 16_000_000


@pytest.mark.parametrize("data", [b"", b"\n", b"\xef\xbb\xbf", b" \r\n\n"])
def test_an_empty_file_has_no_batches(data: bytes) -> None:
    assert parsed(data, LINES) == []


def test_lines_share_the_strings_of_their_keys() -> None:
    rows = one(b'{"a long key": 1}\n{"a long key": 2}\n').rows
    first, second = (next(iter(row)) for row in rows if isinstance(row, dict))
    assert first is second


def test_floats_of_json_come_back_as_the_same_numbers() -> None:
    (row,) = one(json.dumps([0.1, 1e300, -math.pi]).encode()).rows
    assert isinstance(row, list)
    assert [float(number) for number in row] == [0.1, 1e300, -math.pi]


def test_an_unknown_encoding_is_the_routes_fault() -> None:
    with pytest.raises(InvalidRouteError):
        parsed(b"1", ParseOptions(format=Format.JSONL, encoding="klingon"))
