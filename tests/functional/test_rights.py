"""Every path of a job under the roles of the template: nothing is refused, and nothing is granted in vain.

What is granted and not seen here, AWS does itself: `faults.rights.UNSEEN` has the reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from faults.paths import PATHS
from faults.rights import UNSEEN, Grant
from faults.scenario_run import Walked, walk
from faults.world import World, world

pytestmark = [pytest.mark.xdist_group("rights"), pytest.mark.timeout(300)]


@dataclass
class Walks:
    """Each path, walked when it is first asked for."""

    servers: World
    done: dict[str, Walked] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Walked:
        if name not in self.done:
            self.done[name] = walk(self.servers, name, PATHS[name])
        return self.done[name]

    def users(self) -> Mapping[Grant, list[str]]:
        """The paths that use each right."""
        found: dict[Grant, list[str]] = {}
        for name in PATHS:
            for grant in self[name].used:
                found.setdefault(grant, []).append(name)
        return found


@pytest.fixture(scope="module")
def walks() -> Iterator[Walks]:
    with world() as servers:
        yield Walks(servers)


@pytest.mark.parametrize("name", PATHS)
def test_a_path_comes_to_its_end_and_nothing_is_refused(walks: Walks, name: str) -> None:
    assert not walks[name].wrong


def test_every_right_of_a_function_is_used_by_a_path_or_by_aws_itself(walks: Walks) -> None:
    wanted = {grant for grant in walks.servers.roles.granted if not grant.reason}
    assert sorted(map(str, wanted - walks.users().keys())) == []


def test_what_aws_does_itself_is_granted_and_done_by_no_path(walks: Walks) -> None:
    reasons = [grant for grant in walks.servers.roles.granted if grant.reason]
    assert {(grant.role, grant.action) for grant in reasons} >= {key for key in UNSEEN if key[0] != "*"}
    assert not set(reasons) & walks.users().keys()


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("a small object, tried again by the queue", ("IngestRole", "s3:GetObject", "work/jobs/*")),
        ("a small object, tried again by the queue", ("IngestRole", "sqs:ChangeMessageVisibility", ":ingest-*")),
        ("a large object whose source has gone before index", ("IndexRole", "dynamodb:UpdateItem", "table/jobs-*")),
    ],
)
def test_a_right_that_is_taken_away_turns_its_path_red(walks: Walks, name: str, without: tuple[str, str, str]) -> None:
    """`python -m faults.removal` does so for every right, one by one."""
    role, action, end = without
    (grant,) = [
        one
        for one in walks.servers.roles.granted
        if (one.role, one.action) == (role, action) and one.resource.endswith(end)
    ]
    assert grant in walks[name].used
    assert any(f"{role} was refused {action}" in wrong for wrong in walk(walks.servers, name, PATHS[name], grant).wrong)
