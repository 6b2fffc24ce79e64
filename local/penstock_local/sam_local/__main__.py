"""Sends all events; the exit code is 0 if every answer is right."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from penstock_local.account import emulator_only
from penstock_local.deploy import build
from penstock_local.errors import LocalStackError
from penstock_local.interrupt import sigterm_exits
from penstock_local.sam_local.announcements import announced
from penstock_local.sam_local.checks import Scenario
from penstock_local.sam_local.executions import EXECUTIONS
from penstock_local.sam_local.functions import Functions, bridge_address
from penstock_local.sam_local.ingest_events import ingest_events
from penstock_local.sam_local.resources import create_resources
from penstock_local.sources import checkout

SCENARIOS: tuple[Scenario, ...] = (ingest_events, *EXECUTIONS, announced)

logger = logging.getLogger("penstock_local.sam_local")  # run as a module, __name__ is another


def main() -> int:
    """Send all events and return the exit code."""
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("penstock_local").setLevel(logging.INFO)
    try:
        with sigterm_exits(), TemporaryDirectory(prefix="penstock-sam-local-") as directory:
            return _send_all(Path(directory))
    except LocalStackError as error:
        sys.exit(f"Error: {error}\n{error.hint}".strip())


def _send_all(directory: Path) -> int:
    bridge = bridge_address()
    template = build()
    wrong, sent = 0, set()
    with emulator_only(bridge) as account:
        resources = create_resources(account)
        functions = Functions(account, template, directory, resources.variables)
        for scenario in SCENARIOS:
            logger.info("\n%s", scenario.__doc__)
            for check in scenario(resources, functions):
                logger.info("%s\n  %s\n  %s", check.name, _as_json(check.found), check.problem or "right")
                sent.add(check.name)
                if check.problem:
                    wrong += 1
                    break
    if unsent := {path.stem for path in (checkout() / "events").rglob("*.json")} - sent:
        logger.info("\nWRONG: never sent: %s", ", ".join(sorted(unsent)))
    return 1 if wrong or unsent else 0


def _as_json(found: object) -> str:
    """JSON without the request id and stack trace of a failed function."""
    if isinstance(found, dict):
        found = {name: value for name, value in found.items() if name not in {"requestId", "stackTrace"}}
    return json.dumps(found, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
