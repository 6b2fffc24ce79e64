"""All events; the exit code says whether everything was right."""

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
from penstock_local.sam_local.arrivals import arrivals
from penstock_local.sam_local.executions import EXECUTIONS
from penstock_local.sam_local.functions import Functions, bridge_address
from penstock_local.sam_local.job_report import Story
from penstock_local.sam_local.site import furnish
from penstock_local.tools import checkout

STORIES: tuple[Story, ...] = (arrivals, *EXECUTIONS)

logger = logging.getLogger("penstock_local.sam_local")  # run as a module, __name__ is another


def main() -> int:
    """All events; returns the exit code."""
    logging.basicConfig(format="%(message)s", stream=sys.stdout)
    logging.getLogger("penstock_local").setLevel(logging.INFO)
    try:
        with sigterm_exits(), TemporaryDirectory(prefix="penstock-sam-local-") as directory:
            return _try_all(Path(directory))
    except LocalStackError as error:
        sys.exit(f"Error: {error}\n{error.hint}".strip())


def _try_all(directory: Path) -> int:
    bridge = bridge_address()
    template = build()
    wrong, sent = 0, set()
    with emulator_only(bridge) as account:
        site = furnish(account)
        functions = Functions(account, template, directory, site.variables)
        for job_report in STORIES:
            logger.info("\n%s", job_report.__doc__)
            for one in job_report(site, functions):
                logger.info("%s\n  %s\n  %s", one.name, _shown(one.found), one.problem or "right")
                sent.add(one.name)
                if one.problem:
                    wrong += 1
                    break
    if unsent := {path.stem for path in (checkout() / "events").rglob("*.json")} - sent:
        logger.info("\nWRONG: never sent: %s", ", ".join(sorted(unsent)))
    return 1 if wrong or unsent else 0


def _shown(found: object) -> str:
    """As JSON, without what a failed function says of itself for debuggers."""
    if isinstance(found, dict):
        found = {name: value for name, value in found.items() if name not in {"requestId", "stackTrace"}}
    return json.dumps(found, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
