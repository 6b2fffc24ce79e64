"""A download over connections that break and bytes that arrive damaged: the whole object, or an error and no file."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from botocore.exceptions import FlexibleChecksumError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from penstock.aws.backoff import Backoff
from penstock.aws.s3.parts_pool import PartsPool
from penstock.errors import ServiceUnavailableError
from penstock.files.open_folder import OpenFolder
from penstock.sync.local_tree import LocalFolder
from penstock.sync.model import RemoteFile
from penstock.sync.s3_download import DownloadFolder

DATA = bytes(range(10)) * 3
PIECE = 5
PART = 20  # bytes: the object comes in two ranges


class End(Enum):
    """How a connection ends that brings some pieces."""

    CUT = auto()
    RESET = auto()
    DAMAGED = auto()


Connection = tuple[int, End]


@dataclass
class Body:
    """Brings ``pieces`` pieces, then ends as told."""

    data: bytes
    pieces: int
    end: End | None
    is_closed: bool = False

    def read(self, size: int) -> bytes:
        assert size >= PIECE
        if self.end is not None and self.pieces == 0:
            return self._end(self.end)
        self.pieces -= 1
        piece, self.data = self.data[:PIECE], self.data[PIECE:]
        if not piece and self.end is End.DAMAGED:
            return self._end(self.end)
        return piece

    def close(self) -> None:
        self.is_closed = True

    def _end(self, end: End) -> bytes:
        if end is End.RESET:
            raise ReadTimeoutError(endpoint_url="s3")
        if end is End.DAMAGED:
            raise FlexibleChecksumError(error_msg="damaged")
        return b""


@dataclass
class Server:
    """A client whose connections end one after the other as told, then well."""

    data: bytes
    connections: list[Connection]
    bodies: list[Body] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)

    def get_object(self, **request: Any) -> Any:
        first, last = 0, len(self.data) - 1
        if "Range" in request:
            first, last = map(int, request["Range"].removeprefix("bytes=").split("-"))
        pieces, end = self.connections.pop(0) if self.connections else (0, None)
        body = Body(self.data[first : last + 1], pieces, end)
        self.bodies.append(body)
        self.firsts.append(first)
        return {
            "Body": body,
            "ContentLength": last + 1 - first,
            "Metadata": {},
            "LastModified": datetime(2026, 11, 1, tzinfo=UTC),
            "ETag": '"0123456789abcdef0123456789abcdef"',
            "ResponseMetadata": {"HTTPHeaders": {}},
        }


@dataclass
class Download:
    """Downloads the object into a folder; ``moved`` is its progress, ``found`` what is in the folder afterwards."""

    server: Server
    attempts: int = 3
    part_size: int = 1000
    moved: list[int] = field(default_factory=list)
    found: list[str] = field(default_factory=list)

    def __call__(self) -> bytes:
        with TemporaryDirectory() as name, PartsPool(1, self.part_size) as pool:
            receiving = OpenFolder(name)
            client: Any = self.server
            policy = Backoff(attempts=self.attempts, base=0.0)
            folder = DownloadFolder(client, LocalFolder(name), receiving, pool, backoff=policy)
            try:
                folder.put(RemoteFile("a", "b", "a", len(self.server.data), "e", 0.0), "a", {}, self.moved.append)
            finally:
                receiving.close()
                self.found = sorted(path.name for path in Path(name).iterdir())
            return (Path(name) / "a").read_bytes()


def test_a_broken_connection_is_resumed_where_it_broke() -> None:
    download = Download(Server(DATA, [(2, End.CUT), (1, End.RESET), (0, End.RESET)]))
    assert download() == DATA
    assert download.server.firsts == [0, 10, 15, 15]
    assert sum(download.moved) == len(DATA)


def test_progress_starts_the_count_of_attempts_anew() -> None:
    download = Download(Server(DATA, [(1, End.CUT), (0, End.CUT), (0, End.RESET)] * 2), attempts=4)
    assert download() == DATA
    assert len(download.server.bodies) == 7


def test_a_server_that_keeps_breaking_is_given_up() -> None:
    download = Download(Server(DATA, [(1, End.RESET), *[(0, End.CUT)] * 9]))
    with pytest.raises(ServiceUnavailableError, match=r"s3://b/a: .* 3 times in a row"):
        download()
    assert (len(download.server.bodies), download.found) == (3, [])


def test_damaged_bytes_are_received_again_from_the_first_and_progress_is_taken_back() -> None:
    download = Download(Server(DATA, [(9, End.DAMAGED), (2, End.CUT)]))
    assert download() == DATA
    assert download.server.firsts == [0, 0, 10]
    assert download.moved == [5] * 6 + [-30] + [5] * 6


def test_bytes_that_are_damaged_each_time_are_given_up_although_they_arrive() -> None:
    download = Download(Server(DATA, [(9, End.DAMAGED)] * 9))
    with pytest.raises(ServiceUnavailableError, match=r"3 times in a row: .*damaged"):
        download()
    assert (len(download.server.bodies), download.found) == (3, [])
    assert sum(download.moved) == len(DATA)


def test_an_empty_object_is_received_at_once() -> None:
    download = Download(Server(b"", []))
    assert (download(), download.moved, len(download.server.bodies)) == (b"", [], 1)


connections = st.lists(st.tuples(st.integers(0, 7), st.sampled_from(End)), max_size=12)


@given(connections=connections, size=st.integers(0, len(DATA)), parts=st.booleans())
def test_whatever_happens_the_file_is_whole_or_missing(connections: list[Connection], size: int, parts: bool) -> None:
    server = Server(DATA[:size], connections)
    download = Download(server, part_size=PART if parts else 1000)
    try:
        assert download() == DATA[:size]
    except ServiceUnavailableError:
        assert download.found == []
    else:
        assert sum(download.moved) == size
    assert all(body.is_closed for body in server.bodies)
