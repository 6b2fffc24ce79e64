"""Runs a named scenario of a job to its end, under the roles of the template."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from faults import outcome
from faults.machine import ALL_RETRIES
from faults.permissions import Permission
from faults.scripted_run import Interference, ScriptedFault, ScriptedRun
from faults.servers import Servers
from faults.sources import kinds


@dataclass(frozen=True, slots=True)
class Scenario:
    """How one or more jobs of a kind run to their end: ``end`` has their final states.

    ``fresh``: the destination is empty at the start. ``versioned``: the event names a version. ``first`` runs before
    the queue delivers its message, ``last`` at the end. ``queue_silent``: the queue delivers only messages that the
    reconciler sends. ``retries`` limits every retrier of the state machine.
    """

    kind: str
    end: str = "succeeded"
    scripted_faults: Sequence[ScriptedFault] = ()
    before: Mapping[str, Interference] = field(default_factory=dict)
    on_request: Mapping[str, Interference] = field(default_factory=dict)
    fresh: bool = False
    versioned: bool = True
    redrive: bool = False
    first: Interference | None = None
    last: Interference | None = None
    queue_silent: bool = False
    retries: int = ALL_RETRIES


@dataclass(frozen=True, slots=True)
class ScenarioResult:
    """The permissions that were used, and what is wrong."""

    used: frozenset[Permission]
    wrong: Sequence[str]


def run_scenario(servers: Servers, name: str, path: Scenario, without: Permission | None = None) -> ScenarioResult:
    """Run one scenario to its end. Its functions lack the permission ``without``."""
    kind = kinds()[path.kind]
    label = zlib.crc32(f"{name} {without}".encode())
    with servers.resources(f"path-{label}", without, table_bucket=kind.table_bucket) as resources:
        outcome.prepare(resources, kind)
        if path.fresh:
            for version in resources.versions(resources.results):
                key, version_id = version["Key"], version["VersionId"]
                servers.client("s3").delete_object(Bucket=resources.results, Key=key, VersionId=version_id)
        run = ScriptedRun(
            resources,
            kind,
            0,
            0.0,
            scripted_faults=path.scripted_faults,
            before=path.before,
            on_request=path.on_request,
        )
        run.retries = path.retries
        run.sources = [run.upload(file, data) for file, data in kind.files().items()]
        if not path.versioned:
            run.sources = [replace(source, version_id="") for source in run.sources]
        _follow(run, path)
        wrong = [*run.problems, *_unmet_expectations(run, path)]
        if path.end == "succeeded":
            wrong += outcome.problems(resources, kind, run.jobs(), success_only=True)
        decided = resources.decisions()
    used = frozenset(Permission(one.role, one.action, one.resource) for one in decided if one.allowed)
    return ScenarioResult(used, [*wrong, *(str(one) for one in decided if not one.allowed)])


def _follow(run: ScriptedRun, path: Scenario) -> None:
    if path.first:
        path.first(run)
    if not path.queue_silent:
        run.deliver()
    if path.redrive:
        run.redrive()
    run.reconcile_all()
    if path.last:
        path.last(run)


def _unmet_expectations(run: ScriptedRun, path: Scenario) -> Sequence[str]:
    """The expected faults and final states that did not occur."""
    wrong = []
    missing = sum(strike.times for strike in path.scripted_faults) - len(run.schedule.injected)
    if missing:
        wrong.append(f"{missing} scripted faults met no request")
    ends = {job["state"] for job in run.jobs()}
    if ends != set(path.end.split()):
        wrong.append(f"ended {sorted(ends)}, not {path.end}: {[job.get('failure') for job in run.jobs()][:1]}")
    return wrong
