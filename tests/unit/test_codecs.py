"""What holds for every codec: it agrees with its reference, or it raises, in bounded steps."""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.encoded import ENCODERS, REFERENCES, chop
from lengths import examples
from penstock.codecs import CODECS, HEAD, Trace, choose
from penstock.codecs.engine import FASTEST, ISAL, ZLIB
from penstock.codecs.gzip import decode as gzip_codec
from penstock.errors import BadSourceError, TruncatedSourceError

Decode = Callable[[Iterable[bytes], Trace, int], Iterator[bytes]]

# name of the codec, and a decoder to test
DECODERS: dict[str, tuple[str, Decode]] = {
    "gzip-fastest": ("gzip", CODECS["gzip"].decode),
    "gzip-zlib": ("gzip", partial(gzip_codec.decode, engine=ZLIB)),
    **{name: (name, CODECS[name].decode) for name in ("bzip2", "xz", "zstd")},
}
every_decoder = pytest.mark.parametrize(("codec", "decode"), DECODERS.values(), ids=list(DECODERS))


@dataclass(frozen=True)
class Content:
    """What a member holds, in words short enough for hypothesis to print."""

    unit: bytes
    times: int

    @property
    def data(self) -> bytes:
        return self.unit * self.times


contents = st.one_of(
    st.builds(Content, st.binary(max_size=2000), st.just(1)),
    st.builds(Content, st.binary(min_size=1, max_size=30), st.integers(0, 500)),
    st.sampled_from([Content(b"", 1), Content(b"\0", 5_000), Content(b"1,2,3\n", 1_000)]),
)
several = st.lists(contents, max_size=4).map(tuple)
chunk_sizes = st.sampled_from([1, 7, 65_536, 0])
steps = st.sampled_from([1, 7, 65_536])


def watched(decode: Decode, encoded: bytes, chunk: int, step: int, trace: Trace) -> Iterator[bytes]:
    """Decode, and check what must hold after every piece."""
    fed = 0

    def chunks() -> Iterator[bytes]:
        nonlocal fed
        for piece in chop(encoded, chunk):
            fed += len(piece)
            yield piece

    produced = consumed = 0
    for piece in decode(chunks(), trace, step):
        produced += len(piece)
        assert 1 <= len(piece) <= step
        assert trace.produced == produced
        # isal reads 8 bytes ahead, and returns what is left of them at the end of a member.
        assert consumed - 8 <= trace.consumed <= fed
        consumed = max(consumed, trace.consumed)
        yield piece


def attempt(pieces: Iterator[bytes]) -> bytes | BadSourceError:
    try:
        return b"".join(pieces)
    except BadSourceError as error:
        return error


@every_decoder
@settings(max_examples=examples(60))
@given(members=several, chunk=chunk_sizes, step=steps)
def test_it_decodes_what_its_reference_decodes(
    codec: str, decode: Decode, members: tuple[Content, ...], chunk: int, step: int
) -> None:
    encoded = b"".join(ENCODERS[codec](member.data) for member in members)
    trace = Trace()
    decoded = b"".join(watched(decode, encoded, chunk, step, trace))
    assert decoded == REFERENCES[codec](encoded) == b"".join(member.data for member in members)
    assert (trace.consumed, trace.produced, trace.members) == (len(encoded), len(decoded), len(members))
    assert trace.warnings == []
    assert trace.crc32 == (zlib.crc32(decoded) if codec == "gzip" and members else None)


@every_decoder
@settings(max_examples=examples(60))
@given(members=several, chunk=chunk_sizes, step=steps, data=st.data())
def test_it_raises_wherever_the_source_is_cut_but_between_members(
    codec: str, decode: Decode, *, members: tuple[Content, ...], chunk: int, step: int, data: st.DataObject
) -> None:
    wanted = [member.data for member in members]
    parts = [ENCODERS[codec](data) for data in wanted]
    encoded = b"".join(parts)
    cut = data.draw(st.integers(0, len(encoded)))
    whole = [0, *accumulate(map(len, parts))]
    decoded: list[bytes] = []
    pieces = watched(decode, encoded[:cut], chunk, step, Trace())
    if cut in whole:
        decoded.extend(pieces)
        assert b"".join(decoded) == b"".join(wanted[: max(n for n, end in enumerate(whole) if end == cut)])
    else:
        with pytest.raises(TruncatedSourceError) as caught:
            decoded.extend(pieces)
        assert caught.value.offset == cut
        assert b"".join(wanted).startswith(b"".join(decoded))


@every_decoder
@settings(max_examples=examples(150))
@given(members=several.filter(len), chunk=chunk_sizes, step=steps, data=st.data())
def test_one_wrong_byte_raises_or_changes_nothing(
    codec: str, decode: Decode, *, members: tuple[Content, ...], chunk: int, step: int, data: st.DataObject
) -> None:
    encoded = bytearray(b"".join(ENCODERS[codec](member.data) for member in members))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] ^= data.draw(st.integers(1, 255))
    outcome = attempt(watched(decode, bytes(encoded), chunk, step, Trace()))
    if isinstance(outcome, BadSourceError):
        assert 0 <= outcome.offset <= len(encoded)
    else:
        assert outcome == b"".join(member.data for member in members)


@every_decoder
@pytest.mark.parametrize("bit", range(8))
def test_no_wrong_bit_of_two_short_members_loses_data(codec: str, decode: Decode, bit: int) -> None:
    contents = b"pen" * 20, b"stock"
    good = b"".join(map(ENCODERS[codec], contents))
    for at in range(len(good)):
        bad = bytearray(good)
        bad[at] ^= 1 << bit
        outcome = attempt(decode([bytes(bad)], Trace(), 65_536))
        assert isinstance(outcome, BadSourceError) or outcome == b"".join(contents), at


@every_decoder
@settings(max_examples=examples(150))
@given(rest=st.binary(max_size=300), chunk=chunk_sizes, step=steps, data=st.data())
def test_any_bytes_at_all_decode_or_raise_bad_source(
    codec: str, decode: Decode, *, rest: bytes, chunk: int, step: int, data: st.DataObject
) -> None:
    encoded = data.draw(st.sampled_from([b"", *CODECS[codec].magic])) + rest
    trace = Trace()
    outcome = attempt(watched(decode, encoded, chunk, step, trace))
    at = outcome.offset if isinstance(outcome, BadSourceError) else trace.consumed
    assert 0 <= at <= len(encoded)


@given(data=st.binary(max_size=2000), chunk=chunk_sizes, step=steps)
def test_identity_changes_nothing(data: bytes, chunk: int, step: int) -> None:
    trace = Trace()
    assert b"".join(watched(CODECS["identity"].decode, data, chunk, step, trace)) == data
    assert trace == Trace(consumed=len(data), produced=len(data))


@every_decoder
def test_a_source_that_starts_otherwise_is_refused_at_byte_0(codec: str, decode: Decode) -> None:
    with pytest.raises(BadSourceError) as caught:
        list(decode([b"id,name\n1,a\n"], Trace(), 1024))
    assert caught.value.offset == 0


@every_decoder
@pytest.mark.parametrize("garbage", [b"\n", b"garbage", b"PK\x03\x04" + bytes(100), bytes(3) + b"x" * 70_000])
@pytest.mark.parametrize("chunk", [1, 0])
def test_garbage_after_the_last_member_is_ignored_with_a_warning(
    codec: str, decode: Decode, garbage: bytes, chunk: int
) -> None:
    encoded = ENCODERS[codec](b"one") + ENCODERS[codec](b"two")
    trace = Trace()
    assert b"".join(decode(chop(encoded + garbage, chunk), trace, 1024)) == b"onetwo"
    zeros = len(garbage) - len(garbage.lstrip(b"\0"))
    assert trace.warnings[-1] == (
        f"the bytes from byte {len(encoded) + zeros} are not {codec}: ignored as trailing garbage"
    )
    assert trace.members == 2
    assert trace.consumed == len(encoded) + zeros


@every_decoder
@pytest.mark.parametrize("zeros", [1, 3, 70_001])
@pytest.mark.parametrize("chunk", [1, 65_536])
def test_zeros_after_and_between_members_are_skipped_with_a_warning(
    codec: str, decode: Decode, zeros: int, chunk: int
) -> None:
    member = ENCODERS[codec](b"reservoir")
    encoded = (member + bytes(zeros)) * 2
    trace = Trace()
    assert b"".join(decode(chop(encoded, chunk), trace, 1024)) == b"reservoir" * 2
    assert (trace.members, trace.consumed) == (2, len(encoded))
    starts = len(member), 2 * len(member) + zeros
    assert trace.warnings == [f"{zeros:,} zero bytes at byte {start:,} were ignored" for start in starts]


@every_decoder
def test_warnings_do_not_pile_up_and_the_last_is_kept(codec: str, decode: Decode) -> None:
    trace = Trace()
    decoded = b"".join(decode([(ENCODERS[codec](b"x") + b"\0") * 200 + b"garbage"], trace, 1024))
    assert decoded == b"x" * 200
    assert len(trace.warnings) == 21
    assert "garbage" in trace.warnings[-1]


@every_decoder
def test_a_member_whose_magic_is_damaged_is_not_mistaken_for_garbage(codec: str, decode: Decode) -> None:
    first, second = ENCODERS[codec](b"one"), bytearray(ENCODERS[codec](b"two"))
    second[0] = 0
    with pytest.raises(BadSourceError) as caught:
        list(decode([first + second], Trace(), 1024))
    assert len(first) <= caught.value.offset <= len(first) + len(second)


@every_decoder
def test_a_failing_source_is_not_blamed_on_its_bytes(codec: str, decode: Decode) -> None:
    failure = OSError("connection reset")

    def chunks() -> Iterator[bytes]:
        yield ENCODERS[codec](b"reservoir" * 100)[:-5]
        raise failure

    with pytest.raises(OSError, match="connection reset") as caught:
        list(decode(chunks(), Trace(), 1024))
    assert caught.value is failure


@pytest.mark.parametrize(
    ("codec", "decode"), [*DECODERS.values(), ("identity", CODECS["identity"].decode)], ids=[*DECODERS, "identity"]
)
def test_a_spent_chunk_is_let_go_before_the_next_is_fetched(codec: str, decode: Decode) -> None:
    data = random.Random(1).randbytes(1_000_000)  # hardly shrinks
    encoded = ENCODERS.get(codec, bytes)(data)
    holders: list[int] = []

    def chunks() -> Iterator[bytes]:
        for at in range(0, len(encoded), 300_000):
            chunk = encoded[at : at + 300_000]
            yield chunk
            # this frame and the argument
            holders.append(sys.getrefcount(chunk) - 2)

    assert b"".join(decode(chunks(), Trace(), 65_536)) == data
    assert holders
    assert not any(holders)


@every_decoder
def test_what_one_chunk_holds_is_yielded_before_the_next_is_fetched(codec: str, decode: Decode) -> None:
    member = ENCODERS[codec](b"reservoir")
    fetched: list[int] = []

    def chunks() -> Iterator[bytes]:
        for number in range(3):
            fetched.append(number)
            yield member

    pieces = decode(chunks(), Trace(), 1024)
    assert next(pieces) == b"reservoir"
    assert fetched == [0]


@every_decoder
def test_its_own_output_is_what_detection_chooses_it_for(codec: str, decode: Decode) -> None:
    for content in (b"", b"reservoir"):
        assert choose(ENCODERS[codec](content)[:HEAD], "data.csv").name == codec


def test_isal_is_preferred_where_it_can_be_imported() -> None:
    assert FASTEST is (ISAL or ZLIB)
