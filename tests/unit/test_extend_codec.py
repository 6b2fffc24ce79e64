"""docs/extend/codec.md, tried: a toy codec is added by one function, and every part of the pipeline knows it."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

import pytest
import zstandard

from penstock.codecs import CODECS, IDENTITY, Codec, Trace, choose, codec_by_name, registered, strip_suffix
from penstock.codecs.feed import Feed
from penstock.codecs.indexers import indexers_within
from penstock.delivery.decoding import Decoding
from penstock.errors import BadDocumentError, CodecMismatchError
from penstock.large_jobs.estimate import VCPU, bytes_per_second, expected_bytes
from penstock.limits import MIB, MIN_WINDOW, Budget
from penstock.model.member import Member
from penstock.model.object import Source
from penstock.model.route import Route
from penstock.testing import MemoryByteSource

MAGIC = b"FLIP\0"
FLIPPED = bytes.maketrans(bytes(range(256)), bytes(255 - byte for byte in range(256)))


def decode(chunks: Iterable[bytes], trace: Trace, step: int) -> Iterator[bytes]:
    feed = Feed(chunks, trace)
    feed.skip(len(MAGIC), "the header")
    while piece := feed.take(step):
        trace.produced += len(piece)
        yield piece.translate(FLIPPED)


def describe(window: int) -> Codec:
    return Codec("flip", (MAGIC,), (".flip",), decode, speed=500e6, typical_ratio=2, worst_ratio=2)


def test_a_toy_codec_is_chosen_by_content_and_name_decoded_and_estimated() -> None:
    encoded = MAGIC + b"a,b\n1,2\n".translate(FLIPPED)
    with registered(describe):
        assert choose(encoded, "a.csv") is CODECS["flip"]
        assert codec_by_name("a.csv.flip") == "flip"
        assert strip_suffix("a.csv.flip") == "a.csv"
        with pytest.raises(CodecMismatchError, match="says flip"):
            choose(b"a,b\n", "a.csv.flip")
        trace = Trace()
        assert b"".join(CODECS["flip"].decode([encoded], trace, 3)) == b"a,b\n1,2\n"
        assert trace.produced == 8
        assert expected_bytes("flip", 100) == 200
        assert bytes_per_second("flip", VCPU // 100, parsed=False) == pytest.approx(5e6)
        assert "flip" not in indexers_within(MIN_WINDOW)
    assert choose(encoded, "a.csv") is IDENTITY
    assert "flip" not in CODECS


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("gzip", lambda data: gzip.compress(data, 9)),
        ("bzip2", bz2.compress),
        ("xz", lambda data: lzma.compress(data, preset=1)),
        ("zstd", zstandard.ZstdCompressor(3).compress),
    ],
)
def test_zeros_reach_the_worst_ratio_at_most(name: str, compress: Callable[[bytes], bytes]) -> None:
    size = 8 * MIB
    ratio = size / len(compress(bytes(size)))
    assert CODECS[name].typical_ratio < ratio < CODECS[name].worst_ratio


def test_every_codec_declares_its_figures() -> None:
    for codec in CODECS.values():
        assert codec.speed > 0
        assert 1 <= codec.typical_ratio <= codec.worst_ratio
        assert codec.suffixes or codec is IDENTITY


def split(chunks: Iterator[bytes]) -> Iterator[tuple[Member, Iterator[bytes]]]:
    """Of a toy archive: a line with the name and the size of each file, then its bytes."""
    data = b"".join(chunks)
    number = 0
    while data:
        number += 1
        line, _, data = data.partition(b"\n")
        name, size = line.decode().split()
        yield Member(name, number, int(size)), iter([data[: int(size)]])
        data = data[int(size) :]


def describe_archive(window: int) -> Codec:
    return replace(describe(window), name="shelf", magic=(b"SHELF",), suffixes=(".shelf",), members=split)


def decoding(content: bytes, key: str) -> Decoding:
    source = Source("b", key, size=len(content), etag="e")
    return Decoding(source, MemoryByteSource(content), Route("r", ("*",), ""), Budget.of(512 * MIB))


def test_a_toy_archive_yields_its_members_each_with_its_own_content() -> None:
    archive = b"SHELF" + b"a.csv 4\na\n1\nb.csv 6\nb\n2\n3\n".translate(FLIPPED)
    with registered(describe_archive):
        found = [
            (member.name, member.number, b"".join(chunks)) for member, chunks in decoding(archive, "x.shelf").members()
        ]
        assert found == [("a.csv", 1, b"a\n1\n"), ("b.csv", 2, b"b\n2\n3\n")]
        one = b"SHELF" + b"a.csv 4\na\n1\n".translate(FLIPPED)
        assert b"".join(decoding(one, "x.shelf").pieces()) == b"a\n1\n"
        with pytest.raises(BadDocumentError, match=r"several files; the second is 'b\.csv'"):
            b"".join(decoding(archive, "x.shelf").pieces())


def test_any_other_source_is_its_only_member() -> None:
    found = [(member, b"".join(chunks)) for member, chunks in decoding(b"a\n1\n", "a.csv").members()]
    assert found == [(Member(), b"a\n1\n")]
