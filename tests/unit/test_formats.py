"""All parsers: which one takes a source, and what none of them does, whatever the bytes."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengths import examples
from parser_checks import BATCHES, CHUNKS, parsed, rows_of
from penstock.errors import InvalidRouteError, PenstockError
from penstock.formats import choose_format, parse, resolve
from penstock.model.parse_options import Format, ParseOptions, Units


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("a/b.csv", Format.CSV),
        ("a/b.CSV.gz", Format.CSV),
        ("b.tsv.zst", Format.CSV),
        ("b.jsonl", Format.JSONL),
        ("b.ndjson.bz2", Format.JSONL),
        ("b.2024.json.xz", Format.JSON),
        ("b.xlsx", Format.XLSX),
        ("b.xml.gz", Format.XML),
        ("b.fwf", Format.FIXED),
    ],
)
def test_the_name_without_its_compression_suffix_says_the_format(name: str, wanted: Format) -> None:
    assert choose_format(name, ParseOptions()) is wanted


def test_the_route_overrules_the_name() -> None:
    assert choose_format("a.csv", ParseOptions(format=Format.JSONL)) is Format.JSONL


@pytest.mark.parametrize("name", ["a", "a.gz", "a.txt", "csv", "a.csv/b", ".gz"])
def test_a_name_that_does_not_say_asks_for_the_route(name: str) -> None:
    with pytest.raises(InvalidRouteError) as caught:
        choose_format(name, ParseOptions())
    assert "parse.format" in caught.value.hint


def test_tsv_means_tabs_unless_the_route_knows_better() -> None:
    assert resolve("a.tsv.gz", ParseOptions()) == ParseOptions(format=Format.CSV, delimiter="\t")
    assert resolve("a.tsv", ParseOptions(delimiter=";")).delimiter == ";"
    assert resolve("a.tsv", ParseOptions(format=Format.CSV)).delimiter == ","
    assert resolve("a.csv", ParseOptions()).delimiter == ","


def test_a_format_must_be_chosen_before_parsing() -> None:
    with pytest.raises(InvalidRouteError):
        parsed(b"a\n1\n", ParseOptions())


def test_chunks_may_be_empty() -> None:
    batches = parse([b"", b"a", b"", b"\n1", b"", b"\n", b""], ParseOptions(format=Format.CSV), batch_bytes=100)
    assert rows_of(list(batches)) == [["1"]]


SIGNS = st.sampled_from([b'"', b",", b"\n", b"\r", b"{", b"}", b"[", b"]", b":", b"\\", b"a", b"1", b" "])
TOKENS = st.sampled_from(
    [
        b"\xff\xfe",
        b"\xfe\xff",
        b"\xef\xbb\xbf",
        b"\x00",
        b"\xff",
        b"\xd8",
        b"\xc3",
        b'{"a":',
        b"NaN",
        b"PK\x03\x04",
        b"<a>",
        b"</a>",
        b"<b x='1'/>",
        b"<!DOCTYPE a>",
        b"sep=;\n",
    ]
)
OPTIONS = st.builds(
    ParseOptions,
    format=st.sampled_from([Format.CSV, Format.JSONL, Format.JSON, Format.XLSX, Format.FIXED, Format.XML]),
    header=st.booleans(),
    columns=st.sampled_from([(), ("a",), ("a", "b")]),
    quote=st.sampled_from(['"', "", "a"]),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-32-be", "cp1252", "gbk", "cp037"]),
    records=st.sampled_from(["", "a", "a.b"]),
    max_record=st.sampled_from([4, 20, 1000]),
    fields=st.sampled_from([("a 1-2", "b +2"), ("a 2-",)]),
    units=st.sampled_from(Units),
    record_prefix=st.sampled_from(["", "a", "{a"]),
    record=st.sampled_from(["/a", "/a/b"]),
)


@given(st.lists(SIGNS | TOKENS, max_size=40).map(b"".join), OPTIONS, st.sampled_from(CHUNKS), st.sampled_from(BATCHES))
@settings(max_examples=examples(600), deadline=None)
def test_no_bytes_raise_anything_but_penstocks_errors(
    data: bytes, options: ParseOptions, chunk: int, batch_bytes: int
) -> None:
    with suppress(PenstockError):
        parsed(data, options, chunk=chunk, batch_bytes=batch_bytes)
