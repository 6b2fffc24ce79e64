"""Puts into the wheel what the local stack deploys and is not a Python package (see penstock_local/sources.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = "penstock_local/deployable"
DEPLOYABLE = (
    "template.yaml",
    "deploy/operations.yaml",
    "statemachine/job.asl.json",
    "layers/Makefile",
    "layers/penstock/requirements.txt",
    "layers/lake/requirements.txt",
    "layers/iceberg/requirements.txt",
    "requirements/ministack.txt",
    "requirements/ministack.lock",
    "requirements/sam.txt",
    "requirements/sam.lock",
    "functions/Makefile",
)


class DeployableHook(BuildHookInterface[Any]):
    """Adds the files. An editable installation uses those of the repository."""

    PLUGIN_NAME = "deployable"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Extend the files of the wheel. ``version`` is that of the target: "standard" or "editable"."""
        if version == "editable":
            return
        root = Path(self.root)
        functions = (path.relative_to(root).as_posix() for path in sorted(root.glob("functions/*/app.py")))
        for name in (*DEPLOYABLE, *functions):
            build_data["force_include"][str(root / name)] = f"{FOLDER}/{name}"
