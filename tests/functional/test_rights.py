"""Every path of a job under the roles of the template: no request is refused, and every permission is used.

AWS itself uses the permissions that are not used here: `faults.permissions.UNTESTED` has the reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from faults.permissions import UNTESTED, Permission
from faults.role_scenarios import ROLE_SCENARIOS
from faults.scenario_run import ScenarioResult, run_scenario
from faults.servers import Servers, running_servers

from lengths import long

ANNOUNCED = "a large load into PostgreSQL that may not be finished, and its announcement"
# The others are in the long form.
SHORT = (
    "a large load into Parquet files, aborted between record and completion, and redriven",
    "a large object, failed, aborted and redriven",
    "a large object whose source has gone before index",
    "a small object whose attempt died, found by the reconciler",
    "a small object, the first of its name",
    "a small object, tried again by the queue",
    "an object that is deleted after its job, while it is uploaded again",
)
pytestmark = [pytest.mark.xdist_group("rights"), pytest.mark.timeout(300)]


@dataclass
class Walks:
    """Each path runs when it is first requested."""

    servers: Servers
    done: dict[str, ScenarioResult] = field(default_factory=dict)

    def __getitem__(self, name: str) -> ScenarioResult:
        if name not in self.done:
            self.done[name] = run_scenario(self.servers, name, ROLE_SCENARIOS[name])
        return self.done[name]

    def users(self) -> Mapping[Permission, list[str]]:
        """The paths that use each permission."""
        found: dict[Permission, list[str]] = {}
        for name in ROLE_SCENARIOS:
            for permission in self[name].used:
                found.setdefault(permission, []).append(name)
        return found


@pytest.fixture(scope="module")
def walks() -> Iterator[Walks]:
    with running_servers() as servers:
        yield Walks(servers)


@pytest.mark.parametrize("name", [name if name in SHORT else long(name) for name in ROLE_SCENARIOS])
def test_a_path_comes_to_its_end_and_nothing_is_refused(walks: Walks, name: str) -> None:
    assert not walks[name].wrong


@pytest.mark.long
def test_every_right_of_a_function_is_used_by_a_path_or_by_aws_itself(walks: Walks) -> None:
    wanted = {permission for permission in walks.servers.permissions if not permission.reason}
    assert sorted(map(str, wanted - walks.users().keys())) == []


@pytest.mark.long
def test_what_aws_does_itself_is_granted_and_done_by_no_path(walks: Walks) -> None:
    reasons = [permission for permission in walks.servers.permissions if permission.reason]
    assert {(permission.role, permission.action) for permission in reasons} >= {
        key for key in UNTESTED if key[0] != "*"
    }
    assert not set(reasons) & walks.users().keys()


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("a small object, tried again by the queue", ("IngestRole", "s3:GetObject", "work/jobs/*")),
        long("a small object, tried again by the queue", ("IngestRole", "sqs:ChangeMessageVisibility", ":ingest-*")),
        long("a large object whose source has gone before index", ("IndexRole", "dynamodb:UpdateItem", "table/jobs-*")),
        # The buckets of the suite are existing ones, which parameters list.
        ("a large object whose source has gone before index", ("IndexRole", "s3:ListBucket", ":*:s3:::*drops")),
        long("a small object, the first of its name", ("IngestRole", "s3:PutObject", ":*:s3:::results-*/*")),
        long(ANNOUNCED, ("AnnounceRole", "events:PutEvents", "event-bus/default")),
        long(ANNOUNCED, ("AnnounceRole", "sns:Publish", ":ended-jobs")),
    ],
)
def test_a_right_that_is_taken_away_turns_its_path_red(walks: Walks, name: str, without: tuple[str, str, str]) -> None:
    """`python -m faults.permission_removal` does so for every permission, one by one."""
    role, action, end = without
    (permission,) = [
        one
        for one in walks.servers.permissions
        if (one.role, one.action) == (role, action) and one.resource.endswith(end)
    ]
    assert permission in walks[name].used
    assert any(
        f"{role} was refused {action}" in wrong
        for wrong in run_scenario(walks.servers, name, ROLE_SCENARIOS[name], permission).wrong
    )
