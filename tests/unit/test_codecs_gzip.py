"""gzip, field by field (RFC 1952), with isal and with its fallback."""

from __future__ import annotations

import gzip
import random
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator

import pytest

from fixtures.encoded import chop, deflate, gzip_header, gzip_member
from penstock.codecs import Trace, crc32_combine
from penstock.codecs.engine import ISAL, ZLIB, Engine, Inflater
from penstock.codecs.gzip.decode import MAX_TEXT, decode
from penstock.errors import (
    BadHeaderError,
    ChecksumMismatchError,
    CorruptSourceError,
    PenstockError,
    TruncatedSourceError,
)

ENGINES = {"zlib": ZLIB} | ({"isal": ISAL} if ISAL else {})
DATA = b"id,name\n1,reservoir\n2,turbine\n" * 40
FULL_HEADER = gzip_header(extra=b"RA\x04\x00abcd", name=b"rows.csv", comment=b"two turbines", checked=True)


@pytest.fixture(params=ENGINES.values(), ids=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    found: Engine = request.param
    return found


def decoded(encoded: bytes, engine: Engine, *, chunk: int = 0, trace: Trace | None = None) -> bytes:
    return b"".join(decode(chop(encoded, chunk), trace or Trace(), 65_536, engine=engine))


def failure(encoded: bytes, engine: Engine, *, chunk: int = 0) -> PenstockError:
    with pytest.raises(PenstockError) as caught:
        decoded(encoded, engine, chunk=chunk)
    return caught.value


@pytest.mark.parametrize("chunk", [1, 3, 0])
@pytest.mark.parametrize(
    "header",
    [
        gzip_header(extra=b""),
        gzip_header(extra=b"x" * 65_535),
        gzip_header(name=b""),
        gzip_header(name=b"rows.csv", checked=True),
        gzip_header(comment=b"caf\xe9"),
        gzip_header(flags=0x01),  # "this is text"
        FULL_HEADER,
    ],
    ids=["empty extra", "longest extra", "empty name", "checked name", "comment", "text flag", "all fields"],
)
def test_optional_fields_are_skipped(header: bytes, engine: Engine, chunk: int) -> None:
    encoded = gzip_member(DATA, header) * 2
    assert decoded(encoded, engine, chunk=chunk) == gzip.decompress(encoded) == DATA * 2


@pytest.mark.parametrize("chunk", [1, 0])
def test_a_source_cut_inside_any_field_is_truncated(engine: Engine, chunk: int) -> None:
    encoded = gzip_member(DATA, FULL_HEADER)
    for cut in range(1, len(encoded)):
        error = failure(encoded[:cut], engine, chunk=chunk)
        assert isinstance(error, TruncatedSourceError)
        assert error.offset == cut


@pytest.mark.parametrize("before", [0, 2], ids=["first member", "third member"])
@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, 0x1E, "0x1e for 0x1f"),
        (1, 0x8C, "0x8c for 0x8b"),
        (2, 0x07, "0x07 for 0x08"),
        (3, 0x20, "reserved flags: 0x20"),
        (3, 0x80, "reserved flags: 0x80"),
    ],
)
def test_a_bad_header_is_located_to_the_byte(engine: Engine, before: int, at: int, value: int, message: str) -> None:
    good = gzip_member(DATA) * before
    bad = bytearray(gzip_member(DATA))
    bad[at] = value
    error = failure(good + bytes(bad), engine)
    assert isinstance(error, BadHeaderError)
    assert message in error.message
    assert error.offset == len(good) + at


def test_a_header_must_match_its_own_checksum(engine: Engine) -> None:
    bad = bytearray(FULL_HEADER)
    bad[-1] ^= 1
    error = failure(gzip_member(DATA, bytes(bad)), engine)
    assert isinstance(error, BadHeaderError)
    assert error.offset == len(FULL_HEADER) - 2


@pytest.mark.parametrize("chunk", [1, 0])
def test_names_and_comments_may_be_as_long_as_the_cap(engine: Engine, chunk: int) -> None:
    longest = b"n" * MAX_TEXT
    header = gzip_header(name=longest, comment=longest, checked=True)
    assert decoded(gzip_member(DATA, header), engine, chunk=chunk) == DATA


@pytest.mark.parametrize("chunk", [1, 0])
def test_a_longer_name_or_comment_is_refused_where_it_starts(engine: Engine, chunk: int) -> None:
    too_long = b"n" * (MAX_TEXT + 1)
    name = failure(gzip_member(DATA, gzip_header(name=too_long)), engine, chunk=chunk)
    comment = failure(gzip_member(DATA, gzip_header(name=b"abc", comment=too_long)), engine, chunk=chunk)
    assert isinstance(name, BadHeaderError)
    assert isinstance(comment, BadHeaderError)
    assert (name.offset, comment.offset) == (10, 14)
    assert "file name" in name.message
    assert "comment" in comment.message


def test_a_header_without_end_is_left_at_the_cap(engine: Engine) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield gzip_header(flags=0x08)
        while True:
            taken += 1024
            yield b"n" * 1024

    with pytest.raises(BadHeaderError):
        list(decode(endless(), Trace(), 1024, engine=engine))
    assert taken <= MAX_TEXT + 2048


@pytest.mark.parametrize("before", [0, 1], ids=["first member", "second member"])
@pytest.mark.parametrize("wrong", [struct.pack("<II", 1, len(DATA)), struct.pack("<II", zlib.crc32(DATA), 1)])
def test_checksum_and_length_of_each_member_are_checked(engine: Engine, before: int, wrong: bytes) -> None:
    good = gzip_member(b"good") * before
    body = gzip_header() + deflate(DATA)
    error = failure(good + body + wrong + gzip_member(b"more"), engine)
    assert isinstance(error, ChecksumMismatchError)
    assert error.offset == len(good) + len(body)


def test_the_members_before_a_bad_one_were_yielded(engine: Engine) -> None:
    trace = Trace()
    pieces = decode([gzip_member(b"good") + gzip_header() + b"\xff" * 50], trace, 65_536, engine=engine)
    assert next(pieces) == b"good"
    with pytest.raises(CorruptSourceError, match="corrupt deflate data nearby") as caught:
        next(pieces)
    assert caught.value.offset == len(gzip_member(b"good")) + 10
    assert (trace.members, trace.produced, trace.crc32) == (1, 4, zlib.crc32(b"good"))


def test_members_of_no_bytes_are_members(engine: Engine) -> None:
    trace = Trace()
    assert decoded(gzip_member(b"") * 1000, engine, trace=trace) == b""
    assert (trace.members, trace.crc32, trace.warnings) == (1000, 0, [])


def test_the_declared_checksum_covers_all_members(engine: Engine) -> None:
    trace = Trace()
    contents = [b"a" * 70_000, b"", b"b", DATA]
    decoded(b"".join(map(gzip_member, contents)), engine, trace=trace)
    assert trace.crc32 == zlib.crc32(b"".join(contents))


@pytest.mark.parametrize("level", [0, 1, 9])
def test_stored_and_compressed_blocks_are_read_alike(engine: Engine, level: int) -> None:
    data = random.Random(level).randbytes(200_000) + bytes(200_000)
    assert decoded(gzip_member(data, level=level), engine, chunk=50_000) == data


def test_a_second_header_cut_to_one_byte_is_truncation_not_garbage(engine: Engine) -> None:
    error = failure(gzip_member(DATA) + b"\x1f", engine)
    assert isinstance(error, TruncatedSourceError)


def test_a_large_chunk_reaches_the_decoder_in_slices(engine: Engine) -> None:
    """Both decoders copy their unused input on each call: with 8 MiB of it, decoding would be quadratic."""
    given: list[int] = []

    class Recording:
        def __init__(self) -> None:
            self.inner: Inflater = engine.inflater()

        @property
        def eof(self) -> bool:
            return self.inner.eof

        @property
        def unconsumed_tail(self) -> bytes:
            return self.inner.unconsumed_tail

        @property
        def unused_data(self) -> bytes:
            return self.inner.unused_data

        def decompress(self, data: bytes, max_length: int, /) -> bytes:
            given.append(len(data))
            return self.inner.decompress(data, max_length)

    data = random.Random(0).randbytes(3_000_000)
    recording = Engine(Recording, engine.error)
    assert b"".join(decode([gzip_member(data)], Trace(), 262_144, engine=recording)) == data
    assert max(given) <= 65_536


def test_without_isal_everything_works_as_before() -> None:
    script = """
import sys, zlib
sys.modules["isal"] = None
from penstock.codecs import CODECS, Trace, crc32, crc32_combine
from penstock.codecs.engine import FASTEST, ISAL, ZLIB
assert ISAL is None and FASTEST is ZLIB
trace = Trace()
print(b"".join(CODECS["gzip"].decode([bytes.fromhex(sys.argv[1])], trace, 1024)).decode(), trace.crc32)
assert crc32_combine(crc32(b"pen"), crc32(memoryview(b"stock")), 5) == zlib.crc32(b"penstock")
"""
    encoded = gzip_member(b"pen") + gzip_member(b"stock")
    run = subprocess.run(
        [sys.executable, "-c", script, encoded.hex()], capture_output=True, text=True, timeout=30, check=False
    )
    assert (run.stdout, run.stderr) == (f"penstock {zlib.crc32(b'penstock')}\n", "")


def test_the_length_is_compared_modulo_4_gib() -> None:
    piece = bytes(16 * 1024 * 1024)
    crc = zlib.crc32(piece)
    for doubling in range(8):
        crc = crc32_combine(crc, crc, len(piece) << doubling)

    class FourGiB:
        """Claims to have decoded 256 times 16 MiB of zeros, from nothing."""

        unconsumed_tail = b""
        unused_data = b""
        pieces = 0

        @property
        def eof(self) -> bool:
            return self.pieces == 256

        def decompress(self, data: bytes, max_length: int, /) -> bytes:
            self.pieces += 1
            self.unconsumed_tail = self.unused_data = data
            return piece

    trace = Trace()
    encoded = gzip_header() + struct.pack("<II", crc, 0)
    assert sum(map(len, decode([encoded], trace, len(piece), engine=Engine(FourGiB, ZLIB.error)))) == 1 << 32
    assert (trace.members, trace.crc32) == (1, crc)
