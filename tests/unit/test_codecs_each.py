"""bzip2, xz and zstd: what only they have."""

from __future__ import annotations

import bz2
import lzma
import re
import struct
import zlib

import pytest
import zstandard

from fixtures.encoded import chop, zstd_frame, zstd_skippable
from penstock.codecs import Trace, codecs_within
from penstock.errors import (
    BadHeaderError,
    BadSourceError,
    ChecksumMismatchError,
    CorruptSourceError,
    TruncatedSourceError,
)
from penstock.limits import MIB, MIN_WINDOW, Budget

DATA = b"id,name\n1,reservoir\n2,turbine\n" * 40
chunk_sizes = pytest.mark.parametrize("chunk", [1, 7, 0])


def decoded(
    name: str,
    encoded: bytes,
    *,
    chunk: int = 0,
    step: int = 65_536,
    memory: int = 128,
    trace: Trace | None = None,
) -> bytes:
    """Decode with the codec of a function of ``memory`` MB."""
    codec = codecs_within(Budget.of(memory * MIB).window)[name]
    return b"".join(codec.decode(chop(encoded, chunk), trace or Trace(), step))


def failure(name: str, encoded: bytes, *, chunk: int = 0, memory: int = 128) -> BadSourceError:
    with pytest.raises(BadSourceError) as caught:
        decoded(name, encoded, chunk=chunk, memory=memory)
    return caught.value


# bzip2


@pytest.mark.parametrize("level", range(1, 10))
def test_bzip2_of_every_level_is_read(level: int) -> None:
    assert decoded("bzip2", bz2.compress(DATA, level) + bz2.compress(b"", level)) == DATA


def test_a_wrong_bzip2_checksum_is_corruption() -> None:
    bad = bytearray(bz2.compress(DATA))
    bad[10] ^= 1  # the first block's checksum
    assert isinstance(failure("bzip2", bytes(bad)), CorruptSourceError)


# xz


@chunk_sizes
@pytest.mark.parametrize("padding", [4, 8, 65_536])
def test_xz_padding_of_whole_words_is_part_of_the_format(chunk: int, padding: int) -> None:
    stream = lzma.compress(DATA)
    trace = Trace()
    encoded = (stream + bytes(padding)) * 2
    assert decoded("xz", encoded, chunk=chunk, trace=trace) == DATA * 2
    assert (trace.warnings, trace.members, trace.consumed) == ([], 2, len(encoded))


@pytest.mark.parametrize("check", [lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256])
def test_xz_of_every_check_is_read(check: int) -> None:
    assert decoded("xz", lzma.compress(DATA, check=check)) == DATA


@chunk_sizes
@pytest.mark.parametrize("filters", [[{"id": lzma.FILTER_DELTA, "dist": 4}], [{"id": lzma.FILTER_X86}]])
def test_an_xz_dictionary_is_found_behind_other_filters(chunk: int, filters: list[dict[str, int]]) -> None:
    def stream(dictionary: int) -> bytes:
        return lzma.compress(DATA, filters=[*filters, {"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": dictionary}])

    assert decoded("xz", stream(MIN_WINDOW), chunk=chunk) == DATA
    assert "dictionary of 16,777,216 bytes" in failure("xz", stream(16 * MIB), chunk=chunk).message


@pytest.mark.parametrize("preset", range(7))
def test_an_xz_dictionary_of_the_usual_presets_fits_the_smallest_function(preset: int) -> None:
    assert decoded("xz", lzma.compress(DATA, preset=preset)) == DATA


@pytest.mark.parametrize(("preset", "memory"), [(7, 160), (8, 224), (9, 352)])
def test_for_a_larger_xz_dictionary_the_hint_names_the_least_memory(preset: int, memory: int) -> None:
    first, encoded = lzma.compress(b"first"), lzma.compress(DATA, preset=preset)
    error = failure("xz", first + encoded, memory=memory - 1)
    assert isinstance(error, BadHeaderError)
    assert error.offset == len(first)
    assert error.hint == f"Set MemorySize to {memory} or more."
    assert decoded("xz", first + encoded, memory=memory) == b"first" + DATA


@chunk_sizes
@pytest.mark.parametrize(
    ("flags", "sizes"), [(0x40, b"\x80\x80\x08"), (0x80, b"\x7f"), (0xC0, b"\xff\xff\x03\x80\x80\x80\x01")]
)
def test_an_xz_dictionary_is_found_behind_the_sizes_that_threaded_xz_writes(
    chunk: int, flags: int, sizes: bytes
) -> None:
    fields = bytes([flags]) + sizes + b"\x21\x01" + bytes([28])
    fields += bytes(-(len(fields) + 1) % 4)
    header = bytes([(len(fields) + 1) // 4]) + fields
    stream = lzma.compress(b"")[:12] + header + zlib.crc32(header).to_bytes(4, "little")
    assert "dictionary of 67,108,864 bytes" in failure("xz", stream, chunk=chunk).message


def test_no_memory_is_named_where_no_function_has_enough() -> None:
    encoded = bytearray(lzma.compress(DATA, filters=[{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 4096}]))
    end = 12 + (encoded[12] + 1) * 4 - 4
    encoded[encoded.index(b"\x21\x01\x00", 12) + 2] = 39  # 3 GiB
    encoded[end : end + 4] = zlib.crc32(encoded[12:end]).to_bytes(4, "little")
    error = failure("xz", bytes(encoded))
    assert isinstance(error, BadHeaderError)
    assert error.hint == "No function is large enough; compress it with a smaller xz dictionary."


def test_a_damaged_xz_block_header_is_corruption_whatever_dictionary_it_asks_for() -> None:
    encoded = bytearray(lzma.compress(DATA))
    encoded[encoded.index(b"\x21\x01", 12) + 2] = 39
    assert isinstance(failure("xz", bytes(encoded)), CorruptSourceError)


# zstd


@chunk_sizes
@pytest.mark.parametrize("step", [1, 65_536])
def test_skippable_frames_are_skipped_wherever_they_stand(chunk: int, step: int) -> None:
    frame = zstd_frame(DATA)
    encoded = zstd_skippable(b"") + frame + zstd_skippable(b"x" * 300, 0x5F) * 2 + frame + zstd_skippable(b"index")
    trace = Trace()
    assert decoded("zstd", encoded, chunk=chunk, step=step, trace=trace) == DATA * 2
    assert (trace.members, trace.consumed, trace.warnings) == (2, len(encoded), [])


@chunk_sizes
def test_a_skippable_frame_cut_short_is_truncation(chunk: int) -> None:
    encoded = zstd_skippable(b"x" * 20)
    for cut in range(1, len(encoded)):
        error = failure("zstd", encoded[:cut], chunk=chunk)
        assert isinstance(error, TruncatedSourceError)
        assert error.offset == cut


def test_a_skippable_frame_does_not_make_zstd_of_what_follows() -> None:
    assert isinstance(failure("zstd", zstd_skippable(b"lz4 has them too") + b"\x04\x22\x4d\x18"), BadHeaderError)


def test_what_follows_a_skippable_frame_must_be_a_frame() -> None:
    """Its length is not checked by anything: a damaged one may end amid the data of another frame."""
    assert isinstance(failure("zstd", zstd_frame(DATA) + zstd_skippable(b"index") + b"garbage"), CorruptSourceError)


@chunk_sizes
@pytest.mark.parametrize("level", [-5, 1, 19])
@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize("sized", [True, False])
def test_zstd_frames_of_every_kind_are_read(chunk: int, level: int, checksum: bool, sized: bool) -> None:
    raw = bytes(range(256)) * 3
    data = raw + DATA * 9 + bytes(300_000)
    encoded = zstd_frame(data, level=level, checksum=checksum, sized=sized) + zstd_frame(b"", sized=sized)
    assert decoded("zstd", encoded, chunk=chunk) == data


def test_a_zstd_checksum_is_checked_and_located() -> None:
    good = zstd_frame(b"good")
    bad = bytearray(zstd_frame(DATA))
    bad[-1] ^= 1
    error = failure("zstd", good + bytes(bad))
    assert isinstance(error, ChecksumMismatchError)
    assert error.offset == len(good) + len(bad) - 4


def test_what_follows_a_frame_without_a_checksum_must_be_a_frame() -> None:
    """Nothing proves such a frame ended where it seems to: the rest may be data, and is not dropped."""
    error = failure("zstd", zstd_frame(DATA, checksum=False) + b"garbage")
    assert isinstance(error, CorruptSourceError)
    assert error.offset == len(zstd_frame(DATA, checksum=False))


def test_libzstd_must_agree_on_where_a_frame_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    no_checksum = zstandard.get_frame_parameters(zstd_frame(DATA, checksum=False))
    monkeypatch.setattr(zstandard, "get_frame_parameters", lambda _: no_checksum)
    error = failure("zstd", zstd_frame(DATA))
    assert error.message == "zstd frame does not end with its last block"
    assert error.offset == len(zstd_frame(DATA)) - 4


def windowed(log: int) -> bytes:
    """A frame that asks for a window of 2^log bytes, whatever it holds."""
    header = b"\x28\xb5\x2f\xfd" + bytes([0x00, (log - 10) << 3])
    return header + struct.pack("<I", len(DATA) << 3 | 1)[:3] + DATA


@pytest.mark.parametrize("log", range(11, 24))
def test_a_zstd_window_of_up_to_8_mib_fits_the_smallest_function(log: int) -> None:
    assert zstandard.get_frame_parameters(windowed(log)).window_size == 1 << log
    assert decoded("zstd", windowed(log)) == DATA


@pytest.mark.parametrize(("log", "memory"), [(24, 160), (25, 224), (27, 608)])
def test_for_a_larger_zstd_window_the_hint_names_the_least_memory(log: int, memory: int) -> None:
    first, encoded = zstd_frame(b"first"), windowed(log)
    error = failure("zstd", first + encoded, memory=memory - 1)
    assert isinstance(error, BadHeaderError)
    assert error.offset == len(first)
    assert error.hint == f"Set MemorySize to {memory} or more."
    assert decoded("zstd", first + encoded, memory=memory) == b"first" + DATA


def test_the_largest_function_allows_more_than_libzstd_does() -> None:
    assert decoded("zstd", windowed(30), memory=10_240) == DATA
    assert Budget.of(10_240 * MIB).window > 1 << 31


def test_a_zstd_dictionary_is_named() -> None:
    header = b"\x28\xb5\x2f\xfd" + bytes([0x21, 77, len(DATA) & 0xFF])
    error = failure("zstd", header + DATA)
    assert isinstance(error, BadHeaderError)
    assert "dictionary 77" in error.message


def test_a_zstd_block_larger_than_the_format_allows_is_refused_unread() -> None:
    header = b"\x28\xb5\x2f\xfd" + bytes([0x00, (23 - 10) << 3])
    error = failure("zstd", header + struct.pack("<I", (128 * 1024 + 1) << 3 | 1)[:3])
    assert isinstance(error, CorruptSourceError)
    assert error.offset == len(header)


def test_a_zstd_frame_that_holds_less_than_it_declares_is_corrupt_and_its_last_piece_is_not_given_away() -> None:
    # Its last block is empty, for which libzstd does not compare.
    frame = b"\x28\xb5\x2f\xfd\x20\x10\x40\0\0a,b\n1,2\n\x01\0\0"
    error = failure("zstd", frame)
    assert isinstance(error, CorruptSourceError)
    assert error.message == "zstd frame declares 16 bytes and holds 8"
    assert decoded("zstd", frame.replace(b"\x20\x10", b"\x20\x08")) == b"a,b\n1,2\n"


def xz_with(check: int, data: bytes = DATA) -> bytes:
    """A stream of one block whose check is of a type of its own, of as many bytes as that type takes."""
    stream = lzma.compress(data, check=lzma.CHECK_CRC32 if check < 4 else lzma.CHECK_CRC64)
    flags = bytes([0, check])
    head = stream[:6] + flags + struct.pack("<I", zlib.crc32(flags))
    sizes = stream[-8:-4] + flags
    return head + stream[12:-12] + struct.pack("<I", zlib.crc32(sizes)) + sizes + b"YZ"


@chunk_sizes
@pytest.mark.parametrize("check", [2, 3, 5, 6])
def test_an_xz_check_that_nobody_here_knows_is_warned_of_once(check: int, chunk: int) -> None:
    trace = Trace()
    assert decoded("xz", xz_with(check) * 3, chunk=chunk, trace=trace) == DATA * 3
    assert trace.warnings == [f"xz check type {check} is not known here: the content was decoded, but not verified"]


@pytest.mark.parametrize("check", [lzma.CHECK_NONE, lzma.CHECK_CRC32, lzma.CHECK_CRC64, lzma.CHECK_SHA256])
def test_an_xz_check_that_is_known_or_absent_is_not_warned_of(check: int) -> None:
    trace = Trace()
    decoded("xz", lzma.compress(DATA, check=check), trace=trace)
    assert trace.warnings == []


def xz_filtered(filters: bytes, count: int) -> bytes:
    """The beginning of a stream whose block names these filters."""
    flags = b"\0\x01"
    body = bytes([count - 1]) + filters
    body += bytes(-(len(body) + 1) % 4)
    header = bytes([(len(body) + 1) // 4]) + body
    header += struct.pack("<I", zlib.crc32(header))
    return b"\xfd7zXZ\0" + flags + struct.pack("<I", zlib.crc32(flags)) + header + bytes(64)


@chunk_sizes
@pytest.mark.parametrize(
    ("filters", "count", "names"),
    [
        (b"\x3f\x00\x21\x01\x16", 2, r"unknown \(0x3f\), lzma2 \(0x21\)"),
        (b"\x03\x02\x00\x00\x21\x01\x16", 2, r"delta \(0x03\), lzma2 \(0x21\)"),
        (b"\x04\x00", 1, r"x86 \(0x04\)"),
    ],
)
def test_an_xz_filter_that_nobody_here_has_is_named(filters: bytes, count: int, names: str, chunk: int) -> None:
    error = failure("xz", xz_filtered(filters, count), chunk=chunk)
    assert isinstance(error, BadHeaderError)
    assert re.fullmatch(f"xz filters {names} are not supported by the decoder here", error.message)
    assert "LZMA2" in error.hint


@pytest.mark.parametrize("name", ["FILTER_X86", "FILTER_DELTA", "FILTER_ARM", "FILTER_SPARC"])
def test_xz_filters_of_liblzma_are_read(name: str) -> None:
    filters = [{"id": getattr(lzma, name)}, {"id": lzma.FILTER_LZMA2, "preset": 1}]
    assert decoded("xz", lzma.compress(DATA, format=lzma.FORMAT_XZ, filters=filters)) == DATA
