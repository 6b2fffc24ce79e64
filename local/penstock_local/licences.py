"""The licences of what ships, from the metadata of the wheels: docs/licences.md.

    python -m penstock_local.licences [--check]

What ships is in the layer, or is installed with the command, dependencies of dependencies included. The development
environment holds the same versions, by its lock.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from penstock_local.tools import checkout

PAGE = Path("docs", "licences.md")
LAYER = Path("layers", "penstock", "requirements.txt")
COMMAND = Path("cli", "requirements.txt")

# Those that ask for no more than that their text is passed on.
PERMISSIVE = {"Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0", "Zlib"}

# What wheels write instead of an SPDX identifier. "BSD License" does not say which: any of them will do.
SPELLINGS = {
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}

_LGPL = (
    "LGPL-3.0-only asks that whoever gets the library may change it. It ships unchanged, as files of their own in the "
    "layer, which anybody may replace; Penstock imports it and contains none of it, so that its own licence stands."
)

# Licences that ask for more, package by package: why shipping it is fine. Another licence needs another reason.
EXPLAINED: Mapping[str, tuple[str, str]] = {
    "psycopg": ("LGPL-3.0-only", _LGPL),
    "psycopg-binary": (
        "LGPL-3.0-only",
        f"{_LGPL} The wheel also holds libpq (PostgreSQL licence), OpenSSL (Apache-2.0) and what these link.",
    ),
    "certifi": (
        "MPL-2.0",
        "MPL-2.0 covers its own files alone, a list of certificates. They ship unchanged, with the command only.",
    ),
}


@dataclass(frozen=True, slots=True)
class Package:
    """``licence`` is an SPDX identifier, or several joined by OR; "unknown" where the metadata say nothing known."""

    name: str
    version: str
    licence: str
    layer: bool


def shipped(root: Path) -> list[Package]:
    """All packages that ship, by name."""
    in_layer = closure(_requirements(root / LAYER), deep=False)
    everything = closure([*_requirements(root / LAYER), *_requirements(root / COMMAND)], deep=True)
    return [
        Package(name, found.version, licence_of(found), name in in_layer) for name, found in sorted(everything.items())
    ]


def closure(wanted: Iterable[Requirement], *, deep: bool) -> dict[str, Distribution]:
    """What is installed for the requirements; ``deep``: and for what these require."""
    found: dict[str, Distribution] = {}
    waiting = list(wanted)
    while waiting:
        one = waiting.pop()
        name = re.sub(r"[-_.]+", "-", one.name).lower()
        if name in found or (one.marker and not one.marker.evaluate({"extra": ""})):
            continue
        found[name] = distribution(name)
        if deep:
            waiting += map(Requirement, found[name].requires or ())
    return found


def licence_of(package: Distribution) -> str:
    """By the expression in its metadata (PEP 639), else the free text, else the classifiers."""
    fields = package.metadata
    classifiers = [one.rpartition(" :: ")[2] for one in fields.get_all("Classifier") or () if one.startswith("License")]
    text = next(iter([*fields.get_all("License-Expression", ()), *fields.get_all("License", ())]), "")
    named = SPELLINGS.get(text, text)
    if _is_known(named):
        return named
    spelled = [SPELLINGS.get(one, one) for one in classifiers]
    return " OR ".join(spelled) if spelled and all(map(_is_known, spelled)) else "unknown"


def licence_problems(packages: Iterable[Package]) -> list[str]:
    """What must not ship as it is: licences that are unknown, or ask for more and are not explained."""
    return [
        f"{one.name} {one.version}: its licence is {one.licence}, which nobody has explained"
        for one in packages
        if not _is_permissive(one.licence) and EXPLAINED.get(one.name, ("", ""))[0] != one.licence
    ]


def page(packages: Iterable[Package]) -> str:
    """docs/licences.md."""
    packages = list(packages)
    lines = [
        "# Licences of what ships",
        "",
        "Written by `python -m penstock_local.licences` from the metadata of the wheels, and checked by the tests.",
        "Penstock itself is under Apache-2.0 (`LICENSE`). Packages that the layer does not hold come with the command.",
        "Wheels with compiled code hold other libraries too: isal ISA-L (BSD-3-Clause), zlib-ng its namesake",
        "(Zlib), zstandard zstd (BSD-3-Clause).",
        "",
        "| package | version | licence | in the layer |",
        "|---|---|---|---|",
        *(f"| {one.name} | {one.version} | {one.licence} | {'yes' if one.layer else ''} |" for one in packages),
        "",
        "## Licences that ask for more than to be passed on",
        "",
        *(f"- **{one.name}**: {EXPLAINED[one.name][1]}" for one in packages if one.name in EXPLAINED),
    ]
    return "\n".join(lines) + "\n"


def _requirements(path: Path) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def _is_known(licence: str) -> bool:
    return licence in PERMISSIVE or licence in {known for known, _ in EXPLAINED.values()}


def _is_permissive(licence: str) -> bool:
    return any(one in PERMISSIVE for one in licence.split(" OR "))


def main(arguments: list[str]) -> int:
    """Write the page, or check it: 1 where it is not current, or something may not ship."""
    root = checkout()
    packages = shipped(root)
    problems = licence_problems(packages)
    text = page(packages)
    if "--check" not in arguments:
        (root / PAGE).write_text(text, encoding="utf-8")
    elif (root / PAGE).read_text(encoding="utf-8") != text:
        problems.append(f"{PAGE} is out of date: run python -m penstock_local.licences")
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    if not problems:
        sys.stdout.write(f"{len(packages)} packages ship, all under licences that allow it\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
