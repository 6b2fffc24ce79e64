"""Fixtures: a bucket on moto behind a proxy, and user folders for caches and state.

A test module requests them with ``pytest_plugins = ["functional.lake_fixtures"]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from functional.faulty_s3 import faulty_s3
from functional.s3_lake import Lake


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The URL of a server, which runs for all tests of a module."""
    moto = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield f"http://{host}:{port}"
    moto.stop()


@pytest.fixture
def lake(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lake]:
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    with faulty_s3(server) as proxy:
        yield Lake(proxy)
