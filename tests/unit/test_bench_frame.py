"""What `make bench` says of its runs: who ran when, what is compared with what, and what is left out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from benchmarks.frame.contender import LONG, Contender, Form, Role
from benchmarks.frame.machine import Host
from benchmarks.frame.reading import MIB, TIMED_OUT, Reading, Readings, Spread, cpu, wall
from benchmarks.frame.report import markdown
from benchmarks.frame.result import Goal, Result, at_most
from benchmarks.frame.rounds import present, take_turns

OURS, PEER = Contender("ours", Role.OURS), Contender("cat | gzip")


def reading(contender: str, repetition: int, seconds: float, error: str = "") -> Reading:
    return Reading(contender, 512, "warm", repetition, seconds, seconds / 4, 64 * MIB, error)


def result(*readings: Reading, goals: tuple[Goal, ...] = ()) -> Result:
    machine = Host("2026-01-01", "a processor", 2, "3.11", "cgroup v1", 0.5, {"boto3": "1"})
    form = Form((512,), 2, 1.0, 300.0)
    return Result(
        "copy", "Copy", "About.", 500_000_000, "copied", (OURS, PEER), form, machine, Readings(readings), goals
    )


def test_contenders_run_one_after_the_other_and_the_other_way_round_in_the_next_repetition() -> None:
    form = Form((128, 512), repeat=2, scale=1.0, give_up=1.0)
    seen = []

    def run(contender: Contender, memory: int, repetition: int) -> list[Reading]:
        seen.append((memory, repetition, contender.name))
        return []

    assert not list(take_turns((OURS, PEER), form, run))
    names = ["ours", "cat | gzip", "cat | gzip", "ours"]
    assert [name for _, _, name in seen] == names * 2
    assert [(memory, turn) for memory, turn, _ in seen] == [(m, t) for m in (128, 512) for t in (0, 0, 1, 1)]


def test_who_timed_out_is_not_run_again_at_that_size() -> None:
    form = Form((128, 512), repeat=3, scale=1.0, give_up=1.0)

    def run(contender: Contender, memory: int, repetition: int) -> list[Reading]:
        late = contender is PEER and memory == 128
        return [replace(reading(contender.name, repetition, 1, TIMED_OUT if late else ""), memory=memory)]

    ran = [(each.memory, each.contender) for each in take_turns((OURS, PEER), form, run)]
    assert ran.count((128, PEER.name)) == 1
    assert ran.count((128, OURS.name)) == ran.count((512, PEER.name)) == 3


def test_a_peer_that_tries_patience_has_one_turn_at_that_size_and_ours_has_all() -> None:
    form = Form((128,), repeat=3, scale=1.0, give_up=300.0)

    def run(contender: Contender, memory: int, repetition: int) -> list[Reading]:
        return [replace(reading(contender.name, repetition, 61.0), memory=memory)]

    ran = [each.contender for each in take_turns((OURS, PEER), form, run, patience=60.0)]
    assert ran.count(PEER.name) == 1
    assert ran.count(OURS.name) == 3


def test_a_contender_whose_needs_are_not_installed_is_left_out_and_named(capsys: pytest.CaptureFixture[str]) -> None:
    absent = Contender("absent", modules=("json", "no_such_module"), commands=("no-such-command",))
    assert present((OURS, absent)) == [OURS]
    assert "absent (not installed: no_such_module, no-such-command;" in capsys.readouterr().err


def test_ratios_compare_runs_of_the_same_turn_and_leave_failed_ones_out() -> None:
    readings = Readings(
        (
            reading("ours", 0, 1.0),
            reading("theirs", 0, 3.0),
            reading("theirs", 1, 8.0),
            reading("ours", 1, 4.0),
            reading("ours", 2, 1.0),
            reading("theirs", 2, 9.0, "Runtime.OutOfMemory"),
        )
    )
    assert readings.ratio("theirs", "ours", 512, "warm", wall) == Spread(2.5, 2.0, 3.0)
    assert readings.spread("theirs", 512, "warm", cpu) == Spread(1.375, 0.75, 2.0)
    assert readings.failed("theirs", 512, "warm") == "1 of 3: Runtime.OutOfMemory"
    assert readings.ratio("theirs", "ours", 512, "cold", wall) is None


def test_a_goal_holds_or_does_not_by_the_median_and_is_not_set_where_one_side_never_ended_well() -> None:
    readings = Readings((reading("ours", 0, 1.0), reading("theirs", 0, 2.0)))
    met, missed = (at_most(readings, most, "ours", "theirs", wall, what="time", sizes=(512,)) for most in (0.5, 0.49))
    assert [(goal.met, goal.text) for goal in met] == [
        (True, "512 MB, warm: 0.50 times the time of theirs (at most 0.5)")
    ]
    assert [goal.met for goal in missed] == [False]
    assert not at_most(readings, 1, "ours", "theirs", wall, what="time", sizes=(128,))


def test_the_table_says_what_a_gb_costs() -> None:
    text = markdown(result(reading("ours", 0, 10.0), reading("cat | gzip", 0, 20.0)))
    # 10 s of 0.5 GB for half a GB: 10 GB-seconds a GB, at 0.0000166667 dollars, and two requests a GB.
    assert (
        "| 512 | **ours** | 10.00 (10.00-10.00) |  | 2.50 (2.50-2.50) |  | 64 (64-64) | 10.00 | 0.000167 |  |" in text
    )
    assert "| 512 | cat \\| gzip | 20.00 (20.00-20.00) | 2.00 (2.00-2.00) |" in text


def test_a_contender_that_failed_has_its_error_in_the_table_and_goals_say_whether_they_are_met() -> None:
    goals = (Goal("fast", met=True), Goal("small", met=False))
    text = markdown(
        result(reading("ours", 0, 10.0), reading("cat | gzip", 0, 1.0, "exit status 1: a | b"), goals=goals)
    )
    assert "| 512 | cat \\| gzip | - | - | - | - | - | - | - | 1 of 1: exit status 1: a \\| b |" in text
    assert text.endswith("- met: fast\n- **missed**: small\n")


def test_the_long_form_has_every_size_of_a_function_that_is_compared() -> None:
    assert LONG.sizes == (128, 512, 1024, 1769)
