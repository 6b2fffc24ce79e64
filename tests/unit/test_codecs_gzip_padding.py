"""Empty blocks let any decoder begin at any bit."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.encoded import deflate
from penstock.codecs.engine import ISAL, ZLIB, Engine
from penstock.codecs.gzip.padding import padded

ENGINES = {"zlib": ZLIB} | ({"isal": ISAL} if ISAL else {})
BITS = st.integers(1, 7)
# Of these zlib makes no stored blocks: those begin at a byte, and cannot be shifted.
TEXTS = st.lists(st.integers(0, 143), max_size=300).map(bytes)


def shifted(stream: bytes, bits: int, lowest: int) -> bytes:
    """The stream from bit ``bits`` of a first byte on, of which the bits below are ``lowest``."""
    value = int.from_bytes(stream, "little") << bits | lowest & (1 << bits) - 1
    return value.to_bytes(len(stream) + 1, "little")


@pytest.mark.parametrize("engine", ENGINES.values(), ids=list(ENGINES))
@given(data=TEXTS, level=st.integers(1, 9), bits=BITS, lowest=st.integers(0, 255))
def test_a_stream_that_begins_inside_a_byte_is_inflated(
    engine: Engine, data: bytes, level: int, bits: int, lowest: int
) -> None:
    stream = shifted(deflate(data, level), bits, lowest)
    inflater = engine.inflater()
    assert inflater.decompress(padded(bits, stream[0]) + stream[1:], 1_000) == data
    assert inflater.eof


@pytest.mark.parametrize("engine", ENGINES.values(), ids=list(ENGINES))
@given(bits=BITS, byte=st.integers(0, 255))
def test_padding_has_no_content_and_keeps_the_window(engine: Engine, bits: int, byte: int) -> None:
    window = b"the window"
    writer = zlib.compressobj(9, zlib.DEFLATED, -15, zdict=window)
    stream = shifted(writer.compress(window * 3) + writer.flush(), bits, byte)
    inflater = engine.inflater(zdict=window)
    assert inflater.decompress(padded(bits, stream[0]) + stream[1:], 1_000) == window * 3


@given(bits=BITS, byte=st.integers(0, 255))
def test_the_upper_bits_of_the_byte_stay(bits: int, byte: int) -> None:
    assert padded(bits, byte)[-1] >> bits == byte >> bits
