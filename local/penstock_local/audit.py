"""`make audit`: known vulnerabilities and licences of what ships, and a security scan of the template.

Exits with 0 if all was looked at and is in order, with 1 if anything is not, and with 3 if nothing bad was found but
vulnerabilities could not be looked up, or not all of them.
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
from penstock_local.tools import checkout, ensure

IN_ORDER, BAD, UNKNOWN = 0, 1, 3

# Databases that pip-audit can ask, one after the other.
SERVICES = ("pypi", "osv")
WAIT_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Vulnerabilities:
    """``found`` are lines to show; ``unchecked`` packages of which no database said anything."""

    found: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()

    @property
    def verdict(self) -> int:
        return BAD if self.found else UNKNOWN if self.unchecked else IN_ORDER


def parse_report(report: Mapping[str, Any], wanted: Iterable[str]) -> Vulnerabilities:
    """What pip-audit's JSON says of the packages. It passes over those that the database does not know and still
    exits with 0: where a database cannot be reached in full, that is all of them."""
    known = {one["name"]: one for one in report.get("dependencies", ()) if "skip_reason" not in one}
    found = [
        f"{name} {one['version']}: {vulnerability['id']}, fixed in {', '.join(vulnerability['fix_versions']) or 'none'}"
        for name, one in known.items()
        for vulnerability in one["vulns"]
    ]
    return Vulnerabilities(tuple(found), tuple(name for name in wanted if name not in known))


def look_up(environment: Path, packages: Iterable[Package]) -> Vulnerabilities:
    """Ask the databases, until one has answered for all packages."""
    wanted = {one.name: one.version for one in packages}
    best = Vulnerabilities(unchecked=tuple(wanted))
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as pins:
        pins.writelines(f"{name}=={version}\n" for name, version in wanted.items())
        pins.flush()
        for service in SERVICES:
            answer = parse_report(_ask(environment, service, pins.name), wanted)
            if len(answer.unchecked) < len(best.unchecked):
                best = answer
            if not best.unchecked:
                break
    return best


def _ask(environment: Path, service: str, pins: str) -> dict[str, Any]:
    """pip-audit's report; an empty one where it had none to give."""
    options = ["--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off", "--timeout", "20"]
    asked = [str(environment / "bin" / "pip-audit"), "-r", pins, "-s", service, *options]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=WAIT_SECONDS)  # noqa: S603  # fixed arguments
        report: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        say(f"{service}: no answer within {WAIT_SECONDS} s")
        return {}
    except ValueError:
        say(f"{service}: {(done.stderr.strip().splitlines() or ['no report'])[-1][:300]}")
        return {}
    return report


def scan_template(environment: Path, root: Path) -> int:
    """checkov, by .checkov.yaml, which explains each exception."""
    asked = [str(environment / "bin" / "checkov"), "--config-file", ".checkov.yaml"]
    return subprocess.run(asked, cwd=root, check=False).returncode  # noqa: S603  # fixed arguments


def say(text: str) -> None:
    """At once: what follows may take a minute."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """All three, whatever each comes to."""
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
            f"({', '.join(answer.unchecked)}). No database could be asked about them: run this where "
            "https://pypi.org/pypi/NAME/VERSION/json or https://api.osv.dev can be reached."
        )
    else:
        say(f"{len(packages)} packages were looked up: {len(answer.found)} known vulnerabilities")
    verdicts.append(answer.verdict)
    return BAD if BAD in verdicts else max(verdicts)


if __name__ == "__main__":
    sys.exit(main())
