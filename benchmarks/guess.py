"""`penstock guess` compared with DuckDB's `sniff_csv`, on CSV files of public packages that were judged by hand.

    pip install duckdb
    python -m benchmarks.guess [--cache FOLDER] [--verbose]

`guess_files.tsv` has a line for each file: its package and version on PyPI, and the right delimiter, quote, encoding,
header, lines to skip and types. A range of lines (0-3) is for blank lines, which a reader may also skip by itself. The
double quote is right where no field is quoted. The files were known while `penstock guess` was written.

- **dialect**: delimiter, quote, encoding, header and lines to skip are right.
- **types**: also all types are, of text, integer, numeric, date, timestamp and boolean.
- **other values**: the dialect is wrong, or a value is neither what was judged nor as it was written.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from penstock.limits import MIB
from penstock.wiring.guess import guess_route
from penstock.wiring.run import CliClients, Runner

FILES = Path(__file__).with_name("guess_files.tsv")
RESULTS = Path(__file__).parent / "results" / "guess.md"
SHOWN = {"tab": "\t", "blank": " "}
DUCKDB_TYPES = {
    "BIGINT": "in",
    "DOUBLE": "nu",
    "DATE": "da",
    "TIMESTAMP": "ti",
    "TIMESTAMP WITH TIME ZONE": "ti",
    "BOOLEAN": "bo",
}
PENSTOCK_TYPES = {"fl": "nu"}
WRITTEN = {
    ("te", "in"),
    ("te", "nu"),
    ("te", "da"),
    ("te", "ti"),
    ("te", "bo"),
    ("in", "nu"),
    ("nu", "in"),
    ("in", "da"),
}


@dataclass(frozen=True)
class Dialect:
    """What a reader says of a file, or what is right."""

    delimiter: str
    quote: str
    encoding: str
    header: bool
    skip: range
    types: tuple[str, ...]

    def has_dialect_of(self, right: Dialect) -> bool:
        same = (self.delimiter, self.quote, self.encoding, self.header)
        return same == (right.delimiter, right.quote, right.encoding, right.header) and self.skip[0] in right.skip

    def has_values_of(self, right: Dialect) -> bool:
        """Whether all values are loaded as they were judged, or as they were written."""
        pairs = set(zip(self.types, right.types, strict=False))
        fits = all(one == other or (one, other) in WRITTEN for one, other in pairs)
        return fits and len(self.types) == len(right.types) and self.has_dialect_of(right)


def by_penstock(path: Path) -> Dialect | None:
    with closing(CliClients("", "", "")) as clients:
        route = tomllib.loads(guess_route(Runner(clients, 1024 * MIB), str(path), sample=8 * MIB).text)["route"][0]
    parse = route["parse"]
    types = tuple(one.get("type", "text")[:2] for one in route["table"].get("columns", ()))
    return Dialect(
        parse["delimiter"],
        "" if parse.get("quoting") == "none" else parse.get("quote", '"'),
        parse["encoding"],
        parse["header"],
        range(parse.get("skip_lines", 0), parse.get("skip_lines", 0) + 1),
        tuple(PENSTOCK_TYPES.get(one, one) for one in types),
    )


def by_duckdb(path: Path) -> Dialect | None:
    duckdb = import_module("duckdb")
    try:
        found = duckdb.execute("SELECT * FROM sniff_csv(?)", [str(path)]).fetchone()
    except duckdb.Error:
        return None
    delimiter, quote, _, _, _, skip, header, columns, *_ = found
    types = tuple(DUCKDB_TYPES.get(one["type"], "te") for one in columns)
    quote = '"' if quote in {"\0", "(empty)"} else quote
    return Dialect(delimiter, quote, "utf-8", header, range(skip, skip + 1), types)


def judged() -> Iterator[tuple[str, str, str, Dialect]]:
    """Yield package, version, path and what is right."""
    with FILES.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            first, _, last = row["skip_lines"].partition("-")
            yield (
                row["package"],
                row["version"],
                row["path"],
                Dialect(
                    SHOWN.get(row["delimiter"], row["delimiter"]),
                    row["quote"],
                    row["encoding"],
                    row["header"] == "yes",
                    range(int(first), int(last or first) + 1),
                    tuple(row["types"].split()),
                ),
            )


def downloaded(package: str, version: str, cache: Path) -> Path:
    """Download and unpack a package, once: its wheel, or the sdist if the files are only there."""
    folder = cache / f"{package.replace('-', '_')}-{version}"
    if not folder.exists():
        is_sdist = any(name == package and path.startswith(f"{name}-") for name, _, path, _ in judged())
        kind = ["--no-binary", ":all:"] if is_sdist else ["--only-binary", ":all:"]
        with tempfile.TemporaryDirectory() as kept:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *kind, "--dest", kept]
            subprocess.run([*command, f"{package}=={version}"], check=True)
            (archive,) = Path(kept).iterdir()
            if archive.suffix == ".whl":
                with zipfile.ZipFile(archive) as wheel:
                    wheel.extractall(folder)
            else:
                with tarfile.open(archive) as sdist:
                    sdist.extractall(folder, filter="data")
    return folder


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    arguments.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "penstock-guess")
    arguments.add_argument("--verbose", action="store_true", help="name the files that are not right")
    given = arguments.parse_args()
    readers: dict[str, Callable[[Path], Dialect | None]] = {"penstock guess": by_penstock, "DuckDB": by_duckdb}
    scores = {name: [0, 0, 0] for name in readers}
    total = 0
    for package, version, path, right in judged():
        total += 1
        file = downloaded(package, version, given.cache) / path
        for name, read in readers.items():
            found = read(file)
            is_right = found is not None and found.has_dialect_of(right)
            has_types = is_right and found is not None and found.types == right.types
            has_others = found is None or not found.has_values_of(right)
            for at, counts in enumerate((is_right, has_types, has_others)):
                scores[name][at] += counts
            if given.verbose and not has_types:
                sys.stdout.write(f"{name}: {path}: {found}\n  right: {right}\n")
    lines = ["| reader | dialect right | types right too | other values |", "|---|---|---|---|"]
    for name, (dialects, types, others) in scores.items():
        lines.append(f"| {name} | {dialects} of {total} | {types} of {total} | {others} of {total} |")
    version = import_module("duckdb").__version__
    about = f"{total} CSV files of packages on PyPI, judged by hand (`benchmarks/guess_files.tsv`); DuckDB {version}."
    head = f"# Guess the dialect of a CSV\n\n{about} `python -m benchmarks.guess` makes this page.\n\n"
    RESULTS.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
