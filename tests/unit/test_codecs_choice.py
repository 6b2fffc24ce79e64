"""Which codec a source gets: the content decides, the name is held to its promise, the route overrules the name."""

from __future__ import annotations

import bz2
import gzip
import lzma

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.encoded import zstd_frame, zstd_skippable
from penstock.codecs import CODECS, HEAD, Trace, choose, strip_suffix
from penstock.errors import CodecMismatchError, ConfigurationError
from penstock.limits import MIB

CSV = b"id,name\n1,reservoir\n"
HEADS = {
    "gzip": gzip.compress(CSV)[:HEAD],
    "bzip2": bz2.compress(CSV)[:HEAD],
    "xz": lzma.compress(CSV)[:HEAD],
    "zstd": zstd_frame(CSV)[:HEAD],
    "identity": CSV[:HEAD],
}
NAMES = {"gzip": "data.csv.gz", "bzip2": "data.csv.bz2", "xz": "data.csv.xz", "zstd": "data.csv.zst"}
BROKEN = [(promise, content) for promise in NAMES for content in HEADS if promise != content]


@pytest.mark.parametrize("content", HEADS)
@pytest.mark.parametrize("name", ["data.csv", "data", "a.gz/data.csv", ".gz", "a/.gz", "data.gz.csv", ""])
def test_the_content_decides_where_the_name_promises_nothing(content: str, name: str) -> None:
    assert choose(HEADS[content], name).name == content


@pytest.mark.parametrize("promise", NAMES)
def test_a_name_that_keeps_its_promise_is_fine(promise: str) -> None:
    assert choose(HEADS[promise], NAMES[promise]).name == promise


@pytest.mark.parametrize(("promise", "content"), BROKEN)
def test_a_name_that_promises_something_else_is_an_error_that_says_what_was_found(promise: str, content: str) -> None:
    with pytest.raises(CodecMismatchError) as caught:
        choose(HEADS[content], NAMES[promise])
    found = content if content != "identity" else "not compressed (it starts with 69 64 2c 6e)"
    assert caught.value.message == f"its name {NAMES[promise]!r} says {promise}, but the content is {found}"
    assert caught.value.offset == 0


@pytest.mark.parametrize("name", ["A.TGZ", "a b/ä.CSV.Gz", "a.gzip"])
def test_a_name_promises_in_any_case_and_spelling(name: str) -> None:
    assert choose(HEADS["gzip"], name).name == "gzip"
    with pytest.raises(CodecMismatchError):
        choose(CSV, name)


@pytest.mark.parametrize("wanted", HEADS)
@pytest.mark.parametrize("name", ["data.csv", *NAMES.values()])
def test_a_route_overrules_the_name(wanted: str, name: str) -> None:
    assert choose(HEADS[wanted], name, wanted).name == wanted


@pytest.mark.parametrize(("wanted", "content"), BROKEN)
def test_a_route_is_held_against_the_content(wanted: str, content: str) -> None:
    with pytest.raises(CodecMismatchError, match=f"its codec is set to {wanted}"):
        choose(HEADS[content], NAMES[wanted], wanted)


@pytest.mark.parametrize("content", HEADS)
def test_identity_is_always_allowed(content: str) -> None:
    assert choose(HEADS[content], "data.csv.gz", "identity").name == "identity"


@pytest.mark.parametrize("wanted", ["auto", *HEADS])
@pytest.mark.parametrize("name", ["data.csv", *NAMES.values()])
def test_an_empty_object_is_empty_under_any_name(wanted: str, name: str) -> None:
    assert choose(b"", name, wanted).name == "identity"


def test_an_unknown_codec_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ConfigurationError, match="'rar'") as caught:
        choose(CSV, "data.csv", "rar")
    assert caught.value.hint == f"Choose one of auto, {', '.join(CODECS)}."


@pytest.mark.parametrize(
    "head",
    [
        b"BZh",
        b"BZhat is a word",
        b"BZh9 bottles of beer",
        b"BZh0" + bytes.fromhex("314159265359"),
        bz2.compress(CSV)[:9],
        b"\x1f\x8b",
        b"\x1f\x8b\x07",
        b"\x1f\x9d\x90",  # compress(1)
        b"\xfd7zXZ",
        b"\x28\xb5\x2f",
        b"\x60\x2a\x4d\x18",
        b"PK\x03\x04",
        b"\x00",
    ],
    ids=bytes.hex,
)
def test_what_only_resembles_a_magic_is_not_one(head: bytes) -> None:
    assert choose(head, "data").name == "identity"


@pytest.mark.parametrize("level", range(1, 10))
@pytest.mark.parametrize("content", [b"", CSV])
def test_bzip2_is_known_at_every_level_empty_or_not(level: int, content: bytes) -> None:
    assert choose(bz2.compress(content, level)[:HEAD], "data").name == "bzip2"


@pytest.mark.parametrize("low", range(0x50, 0x60))
def test_zstd_may_begin_with_any_skippable_frame(low: int) -> None:
    assert choose(zstd_skippable(b"", low)[:HEAD], "data.zst").name == "zstd"


@given(st.binary(max_size=HEAD), st.text(max_size=30))
def test_what_is_chosen_is_what_the_content_starts_with(head: bytes, stem: str) -> None:
    codec = choose(head, f"{stem}.csv")
    assert codec.name == "identity" or head.startswith(codec.magic)


def test_a_larger_function_gets_codecs_with_larger_windows() -> None:
    encoded = lzma.compress(CSV, preset=9)
    assert b"".join(choose(encoded[:HEAD], "a.xz", window=64 * MIB).decode([encoded], Trace(), 1024)) == CSV


@pytest.mark.parametrize(
    ("name", "stripped"),
    [
        ("a/b.csv.gz", "a/b.csv"),
        ("b.csv.GZ", "b.csv"),
        ("b.csv.gzip", "b.csv"),
        ("b.csv.bz2", "b.csv"),
        ("b.csv.bzip2", "b.csv"),
        ("b.csv.xz", "b.csv"),
        ("b.csv.zst", "b.csv"),
        ("b.csv.zstd", "b.csv"),
        ("b.tgz", "b.tar"),
        ("b.TBZ2", "b.tar"),
        ("b.tbz", "b.tar"),
        ("b.txz", "b.tar"),
        ("b.tzst", "b.tar"),
        ("b.tar.gz", "b.tar"),
        ("b.gz.gz", "b.gz"),
        ("b.gz", "b"),
        ("b.csv", "b.csv"),
        ("b", "b"),
        ("", ""),
        (".gz", ".gz"),
        ("a/.gz", "a/.gz"),
        ("a.gz/b", "a.gz/b"),
        ("a.gz/", "a.gz/"),
        ("gz", "gz"),
        ("b.csv.gz ", "b.csv.gz "),
    ],
)
def test_the_name_of_the_content_is_the_name_without_the_codecs_suffix(name: str, stripped: str) -> None:
    assert strip_suffix(name) == stripped


@given(st.text(max_size=30))
def test_stripping_never_empties_a_name(name: str) -> None:
    assert bool(strip_suffix(name)) == bool(name)


def test_suffixes_belong_to_one_codec_each_and_are_lower_case() -> None:
    suffixes = [suffix for codec in CODECS.values() for suffix in codec.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in suffixes)
