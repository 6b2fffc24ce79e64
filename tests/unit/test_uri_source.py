"""Sources that smart_open reads: all bytes arrive in order, or an error says why not."""

from __future__ import annotations

import ftplib
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO, UnsupportedOperation
from types import SimpleNamespace

import pytest
import smart_open

from penstock.aws.backoff import Backoff
from penstock.errors import (
    AccessDeniedError,
    ConfigurationError,
    PenstockError,
    ServiceUnavailableError,
    SourceChangedError,
    SourceGoneError,
)
from penstock.run.uri_source import PIECE, UriByteSource, shown

DATA = bytes(range(256)) * 4096
UNKNOWN = 10**12
URI = "sftp://me:hush@host/data.bin?x=1#y"


class Stream(BytesIO):
    """What is opened: breaks at ``breaks``, once what is read passes it; may be one that cannot be entered."""

    def __init__(self, data: bytes, *, breaks: int = UNKNOWN, sized: bool = True, enterable: bool = True) -> None:
        super().__init__(data)
        self._breaks = breaks
        self._sized = sized
        self._enterable = enterable

    def stat(self) -> SimpleNamespace:
        if not self._sized:
            raise UnsupportedOperation("stat")
        return SimpleNamespace(st_size=len(self.getvalue()), st_mtime=17)

    def seek(self, offset: int, whence: int = 0) -> int:
        if not self._enterable:
            raise UnsupportedOperation("seek")
        return super().seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= self._breaks:
            raise ConnectionResetError("reset")
        return super().read(size)


@dataclass
class Server:
    """Answers one stream, or error, after the other; the last again and again."""

    answers: list[Callable[[], Stream]] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)

    def open(self, uri: str, mode: str, **_: object) -> Stream:
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])()

    def source(self, *answers: Callable[[], Stream]) -> UriByteSource:
        self.answers = list(answers)
        return UriByteSource(URI, UNKNOWN, backoff=Backoff(attempts=3), sleep=self.slept.append)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(smart_open, "open", server.open)
    return server


def failing(error: Exception) -> Callable[[], Stream]:
    def fail() -> Stream:
        raise error

    return fail


def whole() -> Stream:
    return Stream(DATA)


def test_all_bytes_arrive_in_pieces(server: Server) -> None:
    source = server.source(whole)
    pieces = list(source.chunks())
    assert (source.size, source.version, b"".join(pieces)) == (len(DATA), "17", DATA)
    assert max(map(len, pieces)) <= PIECE


def test_a_stream_that_can_only_be_read_has_no_size_and_no_version(server: Server) -> None:
    source = server.source(lambda: Stream(DATA, sized=False, enterable=False))
    assert (source.size, source.version, b"".join(source.chunks())) == (UNKNOWN, "", DATA)


def test_a_stream_that_can_be_entered_has_a_size(server: Server) -> None:
    source = server.source(lambda: Stream(DATA, sized=False))
    assert (source.size, source.version, b"".join(source.chunks())) == (len(DATA), "", DATA)


def test_what_breaks_is_read_on_from_there(server: Server) -> None:
    source = server.source(whole, lambda: Stream(DATA, breaks=PIECE), lambda: Stream(DATA, breaks=2 * PIECE), whole)
    assert b"".join(source.chunks()) == DATA
    assert len(server.slept) == 2


def test_a_server_that_keeps_breaking_is_given_up(server: Server) -> None:
    source = server.source(whole, lambda: Stream(DATA, breaks=0))
    with pytest.raises(ServiceUnavailableError, match=r"sftp://host/data\.bin: reset"):
        list(source.chunks())
    assert len(server.slept) == 2


def test_what_ends_too_early_is_not_taken_for_all(server: Server) -> None:
    class Short(Stream):
        def read(self, size: int | None = -1) -> bytes:
            return b"" if self.tell() else super().read(100)

    with pytest.raises(ServiceUnavailableError, match=r"ended at byte 100 of 1,048,576"):
        list(server.source(whole, lambda: Short(DATA)).chunks())


def test_what_changed_between_two_openings_is_refused(server: Server) -> None:
    with pytest.raises(SourceChangedError, match="the source changed while it was being read"):
        list(server.source(whole, lambda: Stream(DATA + b"more")).chunks())


def test_what_breaks_and_cannot_be_entered_is_told(server: Server) -> None:
    with pytest.raises(
        ConfigurationError, match=r"the connection broke at byte 262,144, and it cannot be resumed"
    ) as raised:
        list(server.source(lambda: Stream(DATA, breaks=PIECE, enterable=False)).chunks())
    assert "Download" in raised.value.hint


def http(status: int) -> Exception:
    error = OSError("with all of the URI, signature included")
    error.response = SimpleNamespace(status_code=status)  # type: ignore[attr-defined]  # as requests does
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("no such file"), SourceGoneError),
        (ftplib.error_perm("550 no such file"), SourceGoneError),
        (ftplib.error_temp("421 too many users"), ServiceUnavailableError),
        (EOFError("closed"), ServiceUnavailableError),
        (TimeoutError("timed out"), ServiceUnavailableError),
        (ImportError("paramiko"), ConfigurationError),
        (NotImplementedError("unknown scheme"), ConfigurationError),
        (http(404), SourceGoneError),
        (http(401), AccessDeniedError),
        (http(412), SourceChangedError),
        (http(429), ServiceUnavailableError),
        (http(503), ServiceUnavailableError),
    ],
)
def test_every_refusal_is_one_of_ours_and_keeps_secrets(
    server: Server, error: Exception, kind: type[PenstockError]
) -> None:
    with pytest.raises(kind) as raised:
        server.source(failing(error))
    assert "hush" not in str(raised.value)
    assert "signature" not in str(raised.value)
    assert "sftp://host/data.bin" in str(raised.value)
    assert raised.value.hint


def test_a_uri_is_shown_without_what_is_secret() -> None:
    assert shown(URI) == "sftp://host/data.bin"
    assert shown("https://host:8443/a/b?X-Amz-Signature=hush") == "https://host:8443/a/b"
