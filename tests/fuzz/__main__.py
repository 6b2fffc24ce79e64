"""The long form: so many seconds over all targets, or over some; a finding makes it fail."""

from __future__ import annotations

import argparse
import secrets
import sys

from fuzz.harness import HangError, attempt, smallest
from fuzz.supervise import ROOT, fuzz
from fuzz.targets import TARGETS

FOUND = ROOT / ".penstock" / "fuzz"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all where none is named"
    )
    parser.add_argument("--seconds", type=float, default=300, help="in all (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="(default: drawn, and printed)")
    parser.add_argument("--replay", type=int, metavar="NUMBER", help="one example alone, with its traceback")
    parser.add_argument("--minimise", action="store_true", help="with --replay: write the smallest input that fails")
    asked = parser.parse_args()
    if unknown := set(asked.targets) - set(TARGETS):
        parser.error(f"unknown target {min(unknown)!r}; known are {', '.join(TARGETS)}")
    targets = asked.targets or list(TARGETS)
    if asked.replay is not None:
        return replay(targets[0], asked.seed, asked.replay, minimise=asked.minimise)
    return campaign(targets, asked.seed, asked.seconds)


def campaign(targets: list[str], seed: int, seconds: float) -> int:
    say(f"seed {seed}, {seconds / len(targets):.0f} s each")
    say(f"{'target':12} {'examples':>9} {'taken':>8} {'refused':>8} {'a second':>9}  findings")
    found = 0
    for name in targets:
        summary = fuzz(name, seed=seed, seconds=seconds / len(targets))
        taken, refused = summary.refused["taken"], summary.refused.total() - summary.refused["taken"]
        pace = summary.examples / summary.seconds if summary.seconds else 0
        say(f"{name:12} {summary.examples:>9,} {taken:>8,} {refused:>8,} {pace:>9,.0f}  {len(summary.findings)}")
        for finding in summary.findings:
            again = f"python -m fuzz --seed {seed} --replay {finding.number} {name}"
            say(f"\n{finding.error}\n  at {finding.place}; again: {again}")
            say(finding.trace)
        found += len(summary.findings)
    return 1 if found else 0


def replay(name: str, seed: int, number: int, *, minimise: bool) -> int:
    """In this process, without a memory bound, so that a debugger may be at hand."""
    target = TARGETS[name]
    data, options = target.example(seed, number)

    def kind(text: bytes) -> type[BaseException] | None:
        try:
            attempt(target, text, options)
        except (Exception, HangError) as error:  # noqa: BLE001  # whichever it is, it is what is looked for
            return type(error)
        return None

    wanted = kind(data)
    if minimise and wanted:
        data = smallest(data, lambda text: kind(text) is wanted)
        FOUND.mkdir(parents=True, exist_ok=True)
        (FOUND / f"{name}-{seed}-{number}").write_bytes(data)
    say(f"{len(data):,} bytes, options {options}: {data[:400]!r}")
    refusal = attempt(target, data, options)
    say(f"refused: {type(refusal).__name__}: {refusal}" if refusal else "taken")
    return 0


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
