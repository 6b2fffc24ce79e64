"""zlib's C API: found late, where there is one, and never left holding memory."""

from __future__ import annotations

import gzip
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import zlib_ng.zlib_ng

from fixtures.encoded import gzip_header, gzip_member
from penstock.codecs import Trace
from penstock.codecs.checkpoint import Checkpoint
from penstock.codecs.gzip import zlib_c
from penstock.codecs.gzip.index import scan
from penstock.codecs.gzip.zlib_c import Candidate, Library
from penstock.errors import BadSourceError, ConfigurationError

ENCODED = gzip_member(b"reservoir" * 1_000) * 3


ZLIB = (Candidate("libz.so.1"), Candidate("libz.dylib"))
ZLIB_NG = tuple(candidate for candidate in zlib_c.candidates() if candidate.ng)


class Counting:
    """A library whose calls are counted by name."""

    def __init__(self, library: Library) -> None:
        self.calls: Counter[str] = Counter()
        functions = {name: self.counted(name, function) for name, function in library.functions.items()}
        self.library = replace(library, init=self.counted("init", library.init), functions=functions)

    def counted(self, name: str, function: Callable[..., int]) -> Callable[..., int]:
        def call(*arguments: object) -> int:
            self.calls[name] += 1
            return function(*arguments)

        return call


@pytest.fixture(params=[ZLIB_NG, ZLIB], ids=["zlib-ng", "zlib"])
def library(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Counting:
    counting = Counting(zlib_c.load(request.param))
    monkeypatch.setattr(zlib_c, "_library", lambda: counting.library)
    return counting


def scanning(encoded: bytes) -> Iterator[memoryview]:
    return scan([encoded], Trace(), 100, spacing=100, note=lambda _: None)


def to_the_end() -> None:
    for _ in scanning(ENCODED):
        pass


def left_early() -> None:
    pieces = scanning(ENCODED)
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]  # a generator, said to be an iterator


def forgotten() -> None:
    next(scanning(ENCODED))


def corrupt() -> None:
    with pytest.raises(BadSourceError):
        list(scanning(gzip_header() + b"\xff" * 50))


def cut_short() -> None:
    with pytest.raises(BadSourceError):
        list(scanning(ENCODED[:-1]))


def no_gzip() -> None:
    with pytest.raises(BadSourceError):
        list(scanning(b"something else"))


def failing_note() -> None:
    def note(_: object) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        list(scan([ENCODED], Trace(), 100, spacing=100, note=note))


def failing_source() -> None:
    def chunks() -> Iterator[bytes]:
        yield ENCODED[:50]
        raise OSError("reset")

    with pytest.raises(OSError, match="reset"):
        list(scan(chunks(), Trace(), 100, spacing=100, note=lambda _: None))


@pytest.mark.parametrize(
    "leave", [to_the_end, left_early, forgotten, corrupt, cut_short, no_gzip, failing_note, failing_source]
)
def test_every_way_of_leaving_frees_what_zlib_holds(leave: Callable[[], None], library: Counting) -> None:
    leave()
    assert library.calls["init"] == library.calls["inflateEnd"] == 1


def test_members_share_one_inflater(library: Counting) -> None:
    to_the_end()
    assert (library.calls["init"], library.calls["inflateReset"]) == (1, 3)


def test_blocks_cost_no_call_until_an_entry_is_due(library: Counting) -> None:
    data = bytes(range(256)) * 4_000
    encoded = b"".join((gzip_header(), *stored(data)))
    with pytest.raises(BadSourceError):  # it has no trailer
        list(scan([encoded], Trace(), 65_536, spacing=len(data) * 2, note=lambda _: None))
    assert library.calls["inflate"] < 50


def stored(data: bytes) -> Iterator[bytes]:
    """Stored blocks of 100 bytes."""
    for at in range(0, len(data), 100):
        piece = data[at : at + 100]
        length = len(piece).to_bytes(2, "little")
        yield bytes([at + 100 >= len(data)]) + length + bytes(255 - byte for byte in length) + piece


def test_without_a_library_the_error_says_what_to_install() -> None:
    with pytest.raises(ConfigurationError, match="no zlib library found") as caught:
        zlib_c.load((Candidate("libnothing.so.9"), Candidate("libnothing.dylib", ng=True)))
    assert "zlib-ng" in caught.value.hint


@pytest.mark.skipif(sys.platform != "linux", reason="names a library of Linux")
def test_a_library_that_lacks_a_function_is_passed_over() -> None:
    with pytest.raises(ConfigurationError):
        zlib_c.load((Candidate("libc.so.6"),))
    assert "inflateGetDictionary" in zlib_c.load((Candidate("libc.so.6"), *ZLIB)).functions


def test_zlib_does_not_pass_for_zlib_ng() -> None:
    with pytest.raises(ConfigurationError):
        zlib_c.load(tuple(replace(candidate, ng=True) for candidate in ZLIB))


def test_the_wheel_that_the_layer_holds_comes_first() -> None:
    first = zlib_c.candidates()[0]
    assert first.ng
    assert first.name == zlib_ng.zlib_ng.__file__


def test_the_library_that_python_itself_uses_will_do() -> None:
    library = zlib_c.load((Candidate(getattr(zlib, "__file__", None)),))
    assert library.version.decode() == zlib.ZLIB_RUNTIME_VERSION


def test_both_libraries_find_the_same_places(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = gzip.compress(b"".join(b"%d," % (number * number) for number in range(300_000)))
    found = []
    for among in (ZLIB, ZLIB_NG):
        library = zlib_c.load(among)
        monkeypatch.setattr(zlib_c, "_library", lambda library=library: library)
        noted: list[Checkpoint] = []
        for _ in scan([encoded], Trace(), 65_536, spacing=100_000, note=noted.append):
            pass
        found.append(noted)
    assert found[0] == found[1]
    assert len(found[0]) > 5


def test_the_library_is_loaded_by_the_first_scan_and_not_before() -> None:
    script = """
import ctypes
def refuse(name, *more):
    raise OSError(f"no {name}")
ctypes.CDLL = refuse
from penstock.codecs import Trace
from penstock.errors import ConfigurationError
from penstock.codecs.gzip.index import enter, scan
from penstock.model.span import Entry
pieces = scan([], Trace(), 100, spacing=100, note=print)
print(list(enter([], Entry(0, 0), b"", 100)))
try:
    list(pieces)
except ConfigurationError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (run.stdout, run.stderr) == ("[]\nno zlib library found: gzip cannot be indexed here\n", "")


def test_zlib_without_memory_is_no_fault_of_the_source(library: Counting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(library.library.functions, "inflate", lambda *_: -4)
    with pytest.raises(MemoryError):
        to_the_end()
    assert library.calls["inflateEnd"] == 1
