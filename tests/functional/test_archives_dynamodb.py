"""Members of an archive for DynamoDB: one after another, in the order of the archive, so that the last item wins."""

from __future__ import annotations

import pytest

from functional.test_dynamodb_end import ROUTE, Site
from machine import Plant
from machine_sources import in_blocks, in_tar
from penstock.large_jobs import member_batches
from penstock.limits import KIB
from penstock.model.job_status import JobState

ROUTES = """
[[route]]
name = "archives"
match = ["*.tar", "*.tar.gz"]
archive = "members"
""" + ROUTE.replace('match = "*"', 'match = "*/*"')


def csv(first: int, rows: int, value: int) -> bytes:
    return b"id,n\n" + b"".join(b"%05d,%d\n" % (number, value) for number in range(first, first + rows))


@pytest.mark.parametrize("key", ["a.tar", "a.tar.gz"])
def test_the_item_of_a_later_member_wins(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(member_batches, "MOST_ENTRIES", 2)
    site = Site(plant=Plant(ROUTES, span_bytes=4 * KIB, member_bytes=8 * KIB))
    members = {f"{number}.csv": csv(0, 30, number) for number in range(6)}
    members |= {"large.csv": csv(0, 1_500, 100), "last.csv": csv(5, 1, 101)}
    data = in_tar(members)
    status = site.plant.run(site.plant.upload(key, in_blocks(data) if key.endswith(".gz") else data))
    assert status.state is JobState.SUCCEEDED, status
    found = {item["id"]["S"]: item["n"]["N"] for item in site.dynamo.items.values()}
    assert found == {f"{number:05}": "101" if number == 5 else "100" for number in range(1_500)}
