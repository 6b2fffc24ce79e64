"""Counting CSV records at once, beside the automaton of the csv module taken byte by byte."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengths import examples
from penstock.formats.csv.boundaries import AFTER_QUOTE, FIELD_START, IN_FIELD, IN_QUOTES, START, CsvRules
from record_starts import CSV_PARTS

RULES = CsvRules(b",", b'"')
STATES = RULES.entries


def automaton(state: int, data: bytes) -> tuple[int, list[int]]:
    """The state at the end, and where records begin: ``parse_process_char`` of CPython's _csv.c."""
    begun = []
    for at, byte in enumerate(data):
        end, delimiter, quote = byte in b"\r\n", byte in b",", byte in b'"'
        if state == START and not end:
            begun.append(at)
        if state == IN_QUOTES:
            state = AFTER_QUOTE if quote else IN_QUOTES
        elif quote and state != IN_FIELD:
            state = IN_QUOTES
        else:
            state = START if end else FIELD_START if delimiter else IN_FIELD
    return state, begun


def assert_counted(data: bytes) -> None:
    for state in STATES:
        end, begun = automaton(state, data)
        assert RULES.step(state, data) == (end, len(begun))
        assert list(RULES.starts(state, data)) == begun


@given(st.lists(CSV_PARTS, max_size=40).map(lambda parts: "".join(parts).encode()))
@settings(max_examples=examples(400), deadline=None)
def test_from_every_state_any_text_is_counted_as_byte_by_byte(data: bytes) -> None:
    assert_counted(data)


@given(st.text(',"\n', max_size=12).map(str.encode))
@settings(max_examples=examples(400), deadline=None)
def test_signs_alone_are_counted_as_byte_by_byte(data: bytes) -> None:
    assert_counted(data)


ROW = st.sampled_from(
    [
        *(
            '1,a,"b"\n',
            '2,"a\nb",c\n',
            '3,"a ""b"""\n',
            '4,5"\n',
            '5,"",""\n',
            '6,"a,"\n',
            '7,"a" b\n',
            "\n",
            "8,9\r\n",
        ),
        *('"\n"",""\n"\n', '9,"a\n\n\nb ""c"", d"\n', 'a,"x\ny"z,"w\n"\n', '"",\n', '"a""\n"\n', "10,a\r"),
    ]
)


def repeated(rows: list[tuple[str, int]]) -> bytes:
    return "".join(row * times for row, times in rows).encode()


@given(st.lists(st.tuples(ROW, st.integers(1, 60)), max_size=12).map(repeated))
@settings(max_examples=examples(150), deadline=None)
def test_every_way_of_counting_counts_the_same(data: bytes) -> None:
    """Rows often enough for each: few quotes, many, and many line ends inside them."""
    for state in (START, IN_QUOTES):
        end, begun = automaton(state, data)
        assert RULES.step(state, data) == (end, len(begun))


@pytest.mark.parametrize("stray", ["", '9,5"\n', '9,"a" b\n', 'x"y\n', '9,"'])
def test_texts_with_line_ends_are_counted_with_and_without_stray_quotes(stray: str) -> None:
    data = ('1,"a\nb, ""c"""\n' * 100 + stray + '2,"d\n\n"\n' * 100).encode()
    end, begun = automaton(START, data)
    assert RULES.step(START, data) == (end, len(begun))


def halves(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((data[:at], data[at:]) for at in range(len(data) + 1))


@given(st.lists(CSV_PARTS, max_size=8).map(lambda parts: "".join(parts).encode()))
@settings(max_examples=examples(100), deadline=None)
def test_two_pieces_count_as_one(data: bytes) -> None:
    end, count = RULES.step(START, data)
    for one, other in halves(data):
        middle, first = RULES.step(START, one)
        assert RULES.step(middle, other) == (end, count - first)


def test_without_a_quote_quotes_are_text() -> None:
    data = b'1,"a\nb"\n'
    assert CsvRules(b",", b"").step(START, data) == (START, 2)
    assert list(CsvRules(b",", b"").starts(START, data)) == [0, 5]


@pytest.mark.parametrize("sign", [b"]", b"^", b"-", b"\\", b" ", b"a", b"x", b"q", b"s", b"\xa7"])
def test_any_byte_may_be_the_delimiter_or_the_quote(sign: bytes) -> None:
    text = b'1;"0;\n""0"\n2;3\n4"\n"5\n"\n' * 60
    expected = CsvRules(b";", b'"').step(START, text)
    assert CsvRules(sign, b'"').step(START, text.replace(b";", sign)) == expected
    assert CsvRules(b";", sign).step(START, text.replace(b'"', sign)) == expected
