"""Descriptions of AWS services that all sessions of a test process share.

A command creates a session, `mock_aws` another, and each of them parses the descriptions of its services: a megabyte of
JSON, which was a tenth of the CPU time of tests. A process of Penstock creates one session.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import wraps
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader

from penstock.aws import sdk


def _once(load: Any) -> Any:
    """Load each file once. What botocore adds to a description that it has loaded is the same for all sessions."""
    loaded: dict[str, Any] = {}

    @wraps(load)
    def load_file(loader: JSONFileLoader, file_path: str) -> Any:
        if loaded.get(file_path) is None:
            loaded[file_path] = load(loader, file_path)
        return loaded[file_path]

    return load_file


@pytest.fixture(scope="session", autouse=True)
def shared_service_models() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for loader in (JSONFileLoader, sdk._Files):
            patch.setattr(loader, "load_file", _once(loader.load_file))
        yield
