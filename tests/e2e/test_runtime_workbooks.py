"""Hostile workbooks through the real handler in the smallest function, whose memory the kernel limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from hostile_workbooks import HOSTILE
from penstock_local import postgres
from penstock_local.account import emulator_only
from penstock_local.runtime.environment import IngestEnvironment

MIB = 1024 * 1024
ROUTE = """
[[route]]
name = "books"
match = "*.xlsx"
destination = "postgresql:books"
[route.table]
create = true
columns = [{ name = "id" }]
"""


@pytest.fixture
def routes(tmp_path: Path) -> Path:
    path = tmp_path / "routes.toml"
    path.write_text(ROUTE)
    return path


@pytest.mark.long
def test_hostile_workbooks_fail_within_128_mb(routes: Path, tmp_path: Path) -> None:
    with postgres.running(tmp_path / "postgres") as dsn, emulator_only() as account:
        around = IngestEnvironment(account)
        environment = {"PENSTOCK_ROUTES_URI": str(routes), "PENSTOCK_POSTGRES_DSN": dsn}
        with around.ingest(memory=128, vcpus=1.0, env=environment) as function:
            for name, make in HOSTILE.items():
                done = function.invoke(around.upload(f"{name}.xlsx", make()).event())
                assert done.ok, f"{name}: {done.error_type}: {done.error_message}\n{done.log}"
                (job,) = done.payload["jobs"]
                assert job["state"] == "failed", name
                # Some are rejected earlier because of their compression ratio.
                assert job["error"] in {"BadDocumentError", "ExpansionLimitError"}, f"{name}: {job}"
                assert max(done.peak_bytes, done.rss_peak_bytes) < 128 * MIB, name
