"""One deployed stack for all end-to-end tests of a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock_local.stack import Stack, running

HERE = Path(__file__).parent
ROUTES = """
[[route]]
name = "forbidden"
match = ["forbidden/*"]
destination = "s3://not-in-the-policy/{name}"

[[route]]
name = "decompress"
match = ["*.gz", "*.bz2", "*.xz", "*.zst"]
destination = "s3://{destination_bucket}/{stem}"

[[route]]
name = "copy"
match = ["*.csv"]
destination = "s3://{destination_bucket}/{key}"
"""


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The template of this checkout, deployed with functions of 128 MB."""
    routes = tmp_path_factory.mktemp("routes") / "routes.toml"
    routes.write_text(ROUTES)
    with running(routes=routes, parameters={"MemorySize": "128", "MaximumConcurrency": "2"}) as stack:
        yield stack


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever needs the stack is marked so, and runs where it already is."""
    for item in items:
        if HERE in item.path.parents and "stack" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.stack)
            item.add_marker(pytest.mark.xdist_group("stack"))
