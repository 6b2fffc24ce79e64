"""`make audit`: vulnerabilities and licences of the packages that ship, and a security scan of the template.

Exits with 0 if everything was checked and is in order, with 1 if a problem was found, and with 3 if no problem was
found but some or all packages could not be checked for vulnerabilities.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock_local import licences
from penstock_local.licences import Package, shipped
from penstock_local.sources import checkout
from penstock_local.tools import ensure

IN_ORDER, BAD, UNKNOWN = 0, 1, 3

# The databases that pip-audit queries, in this order.
SERVICES = ("pypi", "osv")
WAIT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Vulnerabilities:
    """``found`` are lines to print. ``unchecked`` are the packages that no database reported on."""

    found: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def verdict(self) -> int:
        return BAD if self.found else UNKNOWN if self.unchecked else IN_ORDER


def parse_report(report: Mapping[str, Any], wanted: Iterable[str]) -> Vulnerabilities:
    """Read pip-audit's JSON report. pip-audit skips packages that the database does not know and still exits with 0.
    If the database cannot be reached, it skips all packages."""
    known = {entry["name"]: entry for entry in report.get("dependencies", ()) if "skip_reason" not in entry}
    found = [
        f"{name} {entry['version']}: {vulnerability['id']}, "
        f"fixed in {', '.join(vulnerability['fix_versions']) or 'none'}"
        for name, entry in known.items()
        for vulnerability in entry["vulns"]
    ]
    return Vulnerabilities(tuple(found), tuple(name for name in wanted if name not in known))


def look_up(environment: Path, packages: Iterable[Package]) -> Vulnerabilities:
    """Query the databases until one has reported on all packages."""
    wanted = {package.name: package.version for package in packages}
    best = Vulnerabilities(unchecked=tuple(wanted))
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as pins:
        pins.writelines(f"{name}=={version}\n" for name, version in wanted.items())
        pins.flush()
        for service in SERVICES:
            answer = parse_report(_query(environment, service, pins.name), wanted)
            if len(answer.unchecked) < len(best.unchecked):
                best = answer
            if not best.unchecked:
                break
    return best


def _query(environment: Path, service: str, pins: str) -> dict[str, Any]:
    """The report of pip-audit; empty if it returned none."""
    options = ["--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off", "--timeout", "20"]
    command = [str(environment / "bin" / "pip-audit"), "-r", pins, "-s", service, *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS)  # noqa: S603  # fixed arguments
        report: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        say(f"{service}: no answer within {WAIT_SECONDS} s")
        return {}
    except ValueError:
        say(f"{service}: {(done.stderr.strip().splitlines() or ['no report'])[-1][:300]}")
        return {}
    return report


def scan_template(environment: Path, root: Path) -> int:
    """Run checkov with .checkov.yaml, which explains each exception."""
    command = [str(environment / "bin" / "checkov"), "--config-file", ".checkov.yaml"]
    return subprocess.run(command, cwd=root, check=False).returncode  # noqa: S603  # fixed arguments


def say(text: str) -> None:
    """Print and flush, because the next step may take a minute."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run all three checks, even if one fails."""
    root = checkout()
    environment = ensure("audit")
    verdicts = [licences.main(["--check"]), BAD if scan_template(environment, root) else IN_ORDER]
    packages = shipped(root)
    answer = look_up(environment, packages)
    for line in answer.found:
        say(f"vulnerable: {line}")
    if answer.unchecked:
        say(
            f"NOT CHECKED for known vulnerabilities: {len(answer.unchecked)} of {len(packages)} packages "
            f"({', '.join(answer.unchecked)}). No database reported on them. Run this on a machine that reaches "
            "https://pypi.org/pypi/NAME/VERSION/json or https://api.osv.dev."
        )
    else:
        say(f"{len(packages)} packages were checked: {len(answer.found)} known vulnerabilities")
    verdicts.append(answer.verdict)
    return BAD if BAD in verdicts else max(verdicts)


if __name__ == "__main__":
    sys.exit(main())
