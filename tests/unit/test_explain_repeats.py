"""The price of looking for repeats."""

from __future__ import annotations

import pytest

from penstock.explain.repeats import of_repeats, reads_for_checksum
from penstock.model.route import Route

CHECKSUM = "ae8b14860a799888"


@pytest.mark.parametrize(
    ("once", "checksum", "reads"),
    [("version", "", False), ("key", "", False), ("content", "", True), ("content", CHECKSUM, False)],
)
def test_only_content_without_a_stored_checksum_is_read_once_more(once: str, checksum: str, reads: bool) -> None:
    route = Route("r", ("*",), "s3://lake/{key}", once=once)
    usage = of_repeats(route, checksum, 850_000_000, 1024)
    assert reads_for_checksum(route, checksum) is reads
    assert (usage.seconds > 5, usage.gets > 200) == (reads, reads)
    assert usage.writes == (once != "version")
