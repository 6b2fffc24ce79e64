"""Writes docs/licences.md: the licences of the packages that ship, from the metadata of their wheels.

    python -m penstock_local.licences [--check]

The packages that ship are those of the layers and of the command, with all their dependencies. The lock keeps the same
versions in the development environment.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

from penstock_local.sources import checkout

PAGE = Path("docs", "licences.md")
LAYERS = ("penstock", "lake", "iceberg")
COMMAND = Path("cli", "requirements.txt")

# Licences that require only that their text is passed on.
PERMISSIVE = {
    "Apache-2.0",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "PSF-2.0",
    "Unlicense",
    "Zlib",
}

# Names in wheels that are not SPDX identifiers. "BSD License" does not say which one; all of them are permissive.
SPELLINGS = {
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}

_LGPL = (
    "it requires that recipients can change the library. It ships unchanged, as separate files in the layer, which can "
    "be replaced. Penstock imports it and contains none of its code, so it keeps its own licence."
)
_IN_PSYCOPG = "The wheel also contains libpq (PostgreSQL licence), OpenSSL (Apache-2.0) and their dependencies."

# By package: a licence that requires more, and why shipping complies with it. The reason holds for that licence only.
EXPLAINED: Mapping[str, tuple[str, str]] = {
    "inflate64": ("LGPL-2.1-or-later", f"LGPL-2.1-or-later: {_LGPL}"),
    "psycopg": ("LGPL-3.0-only", f"LGPL-3.0-only: {_LGPL}"),
    "psycopg-binary": ("LGPL-3.0-only", f"LGPL-3.0-only: {_LGPL} {_IN_PSYCOPG}"),
    "certifi": (
        "MPL-2.0",
        "MPL-2.0 covers only its own files, a list of certificates. They ship unchanged.",
    ),
}


@dataclass(frozen=True, slots=True)
class Package:
    """``licence`` is an SPDX identifier, or several joined by OR and AND, or "unknown" if the metadata has none.

    ``layer`` is the folder of the layer that has the package; empty if it ships with the command alone.
    """

    name: str
    version: str
    licence: str
    layer: str = ""


def shipped(root: Path) -> list[Package]:
    """All packages that ship, by name."""
    lines = {layer: _requirements(root / "layers" / layer / "requirements.txt") for layer in LAYERS}
    layers = {name: layer for layer in LAYERS for name in closure(lines[layer], deep=False)}
    # The wheel of the command requires the first two. The layer for Iceberg has less than pyiceberg requires.
    everything = closure([*lines["penstock"], *lines["lake"], *_requirements(root / COMMAND)], deep=True)
    everything |= closure(lines["iceberg"], deep=False)
    return [
        Package(name, found.version, licence_of(found), layers.get(name, ""))
        for name, found in sorted(everything.items())
    ]


def closure(wanted: Iterable[Requirement], *, deep: bool) -> dict[str, Distribution]:
    """The installed distributions of the requirements; with ``deep``, also those of their dependencies."""
    found: dict[str, Distribution] = {}
    pending = list(wanted)
    while pending:
        requirement = pending.pop()
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if name in found or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found[name] = distribution(name)
        if deep:
            pending += map(Requirement, found[name].requires or ())
    return found


def licence_of(package: Distribution) -> str:
    """The licence by the expression in the metadata (PEP 639), else by the free text, else by the classifiers."""
    fields = package.metadata
    classifiers = [
        text.rpartition(" :: ")[2] for text in fields.get_all("Classifier") or () if text.startswith("License")
    ]
    text = next(iter([*fields.get_all("License-Expression", ()), *fields.get_all("License", ())]), "")
    named = SPELLINGS.get(text, text)
    if _is_known(named):
        return named
    spelled = [SPELLINGS.get(classifier, classifier) for classifier in classifiers]
    return " OR ".join(spelled) if spelled and all(map(_is_known, spelled)) else "unknown"


def licence_problems(packages: Iterable[Package]) -> list[str]:
    """A line for each package that may not ship: its licence is unknown, or requires more and has no explanation."""
    return [
        f"{package.name} {package.version}: the licence {package.licence} is not permissive; explain it in EXPLAINED"
        for package in packages
        if not _is_permissive(package.licence) and EXPLAINED.get(package.name, ("", ""))[0] != package.licence
    ]


def page(packages: Iterable[Package]) -> str:
    """The text of docs/licences.md."""
    packages = list(packages)
    lines = [
        "# Licences of the packages that ship",
        "",
        "`python -m penstock_local.licences` writes this page from the metadata of the wheels. The tests check it.",
        "Penstock is under Apache-2.0 (`LICENSE`). Packages that are in no layer ship with the command.",
        "Wheels with compiled code contain other libraries: isal contains ISA-L (BSD-3-Clause), stream-unzip contains",
        "PyO3 (Apache-2.0 or MIT) and crc32-v2 (MIT), zlib-ng contains zlib-ng (Zlib), zstandard contains zstd",
        "(BSD-3-Clause). arro3 and pydantic-core contain crates of Rust, which their wheels list (`sboms`).",
        "",
        "| package | version | licence | layer |",
        "|---|---|---|---|",
        *(f"| {item.name} | {item.version} | {item.licence} | {item.layer} |" for item in packages),
        "",
        "## Licences with further requirements",
        "",
        *(f"- **{item.name}**: {EXPLAINED[item.name][1]}" for item in packages if item.name in EXPLAINED),
    ]
    return "\n".join(lines) + "\n"


def _requirements(path: Path) -> list[Requirement]:
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [Requirement(line) for line in lines if line]


def _is_known(licence: str) -> bool:
    return _is_permissive(licence) or licence in {known for known, _ in EXPLAINED.values()}


def _is_permissive(licence: str) -> bool:
    return any(PERMISSIVE.issuperset(choice.split(" AND ")) for choice in licence.split(" OR "))


def main(arguments: list[str]) -> int:
    """Write the page, or check it. Returns 1 if the page is out of date or a package may not ship."""
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
        sys.stdout.write(f"{len(packages)} packages ship; all their licences allow it\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
