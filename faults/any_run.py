"""Runs one job of a kind, by the kind of run that it needs."""

from __future__ import annotations

from faults.listed_run import ListedRun
from faults.run import Result, Run
from faults.run_plans import ANY_FAULT, FaultProfile
from faults.servers import Servers
from faults.sources import JobKind


def run(servers: Servers, kind: JobKind, seed: int, rate: float, profile: FaultProfile = ANY_FAULT) -> Result:
    """One run."""
    with servers.resources(f"{kind.name}-{seed}", table_bucket=kind.table_bucket) as resources:
        one = (
            ListedRun(resources, kind, seed, rate, profile)
            if kind.listed
            else Run(resources, kind, seed, rate, profile)
        )
        return one()
