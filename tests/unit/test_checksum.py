"""CRC32 and its combination, with isal and in plain Python."""

from __future__ import annotations

import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.codecs import checksum

Combine = Callable[[int, int, int], int]

combinations = pytest.mark.parametrize("combine", [checksum.crc32_combine, checksum.combine], ids=["used", "plain"])


@given(st.binary(max_size=300), st.integers(0, 2**32 - 1))
def test_crc32_is_that_of_zlib_and_continues(data: bytes, value: int) -> None:
    assert checksum.crc32(data, value) == zlib.crc32(data, value)
    assert checksum.crc32(data) == zlib.crc32(data)


def test_crc32_takes_slices_without_copying_them() -> None:
    data = bytearray(b"reservoir, penstock, turbine")
    assert checksum.crc32(memoryview(data)[11:19]) == checksum.crc32(b"penstock") == zlib.crc32(b"penstock")


@combinations
@given(a=st.binary(max_size=300), b=st.binary(max_size=300))
def test_combining_is_computing_over_both(combine: Combine, a: bytes, b: bytes) -> None:
    assert combine(zlib.crc32(a), zlib.crc32(b), len(b)) == zlib.crc32(a + b)


@given(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1), st.integers(0, 2**46))
def test_both_ways_agree_up_to_the_largest_object(a: int, b: int, length: int) -> None:
    assert checksum.crc32_combine(a, b, length) == checksum.combine(a, b, length)


def test_crc64nvme_is_that_of_the_catalogue_in_any_chunks() -> None:
    """The check value of CRC-64/NVME: https://reveng.sourceforge.io/crc-catalogue/17plus.htm#crc.cat.crc-64-nvme."""
    assert checksum.crc64nvme([b"123456789"]) == "ae8b14860a799888"
    assert checksum.crc64nvme([b"12", b"", b"3456789"]) == "ae8b14860a799888"
    assert checksum.crc64nvme([]) == "0000000000000000"
