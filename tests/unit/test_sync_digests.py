"""Digests as S3 names them: published check values, and whatever pieces a stream comes in."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.limits import MIB
from penstock.sync.digests import CHECKSUMS, affordable, digest, equal_parts, etag_algorithm

CHECK = b"123456789"


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@pytest.mark.parametrize(
    ("algorithm", "value"),
    [
        ("crc32", "cbf43926"),
        ("crc32c", "e3069283"),
        ("crc64nvme", "ae8b14860a799888"),
        ("md5", "25f9e794323b453885f5181f1b624d0b"),
        ("sha1", "f7c3bc1d808e04732adf679965ccc34ca7ae3441"),
        ("sha256", "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225"),
    ],
)
def test_the_published_check_value_comes_out(algorithm: str, value: str) -> None:
    assert digest(algorithm, pieces(CHECK, 4)) == value


@given(st.binary(max_size=200), st.integers(1, 50))
def test_the_pieces_do_not_matter(data: bytes, size: int) -> None:
    for algorithm in (*CHECKSUMS, "md5"):
        assert digest(algorithm, pieces(data, size)) == digest(algorithm, [data])


@given(st.binary(min_size=1, max_size=200), st.integers(1, 90), st.integers(1, 90))
def test_a_multipart_etag_is_the_md5_of_the_md5s(data: bytes, part: int, size: int) -> None:
    parts = list(pieces(data, part))
    whole = hashlib.md5(b"".join(hashlib.md5(one).digest() for one in parts)).hexdigest()
    assert digest(etag_algorithm(equal_parts(len(data), part)), pieces(data, size)) == f"{whole}-{len(parts)}"


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8), st.integers(1, 90))
def test_parts_may_be_unequal(parts: list[bytes], size: int) -> None:
    whole = hashlib.md5(b"".join(hashlib.md5(one).digest() for one in parts)).hexdigest()
    algorithm = etag_algorithm([len(part) for part in parts])
    assert digest(algorithm, pieces(b"".join(parts), size)) == f"{whole}-{len(parts)}"


def test_a_stream_that_does_not_fit_the_parts_has_another_etag() -> None:
    fitting = digest("etag:5*2", [b"0123456789"])
    assert digest("etag:5*2", [b"01234567890"]) != fitting
    assert digest("etag:5*2", [b"012345678"]) != fitting


def test_checksums_that_take_long_are_only_counted_of_small_files() -> None:
    assert affordable("crc32", 1 << 40)
    assert affordable("sha256", 1 << 40)
    assert affordable("crc64nvme", 8 * MIB)


def test_crc32_is_that_of_zlib() -> None:
    assert digest("crc32", [b"penstock"]) == f"{zlib.crc32(b'penstock'):08x}"
