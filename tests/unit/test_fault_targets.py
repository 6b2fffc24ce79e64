"""What the fault suite's seeds stand for: every destination, aim and kind in turn."""

from __future__ import annotations

from collections import Counter

from faults.report import MIN_OCCURRENCES, occurrence_table, too_rare
from faults.run import Result
from faults.run_plans import PROFILES, plan_run
from faults.schedule import KILLS, Fault, Schedule
from faults.sources import kinds

LONG_FORM = 500


def test_destinations_aims_and_kinds_come_evenly() -> None:
    every_kind = kinds()
    draws = [plan_run(seed, every_kind) for seed in range(1, 1 + LONG_FORM)]
    pairs = Counter((draw.kind.store, draw.profile.name) for draw in draws)
    assert len(pairs) == 6 * len(PROFILES)
    assert max(pairs.values()) - min(pairs.values()) <= 1
    assert {draw.kind.name for draw in draws} == set(every_kind)


def test_one_kind_meets_every_aim() -> None:
    every_kind = kinds()
    draws = [plan_run(seed, every_kind, "group") for seed in range(40)]
    assert {draw.kind.name for draw in draws} == {"group"}
    assert {draw.profile for draw in draws} == set(PROFILES)


def test_one_profile_comes_with_every_rate() -> None:
    kill = next(profile for profile in PROFILES if profile.name == "kill")
    every_kind = kinds()
    draws = [plan_run(seed, every_kind, "plain", kill) for seed in range(200)]
    assert {draw.profile for draw in draws} == {kill}
    assert {draw.rate for draw in draws} == {0.04, 0.08}


def test_a_preferred_fault_is_taken_where_it_can_happen() -> None:
    schedule = Schedule("seed", 1.0, 0, preferred=[Fault.LOST])
    assert {schedule.draw(f"PutObject {n}", [Fault.LOST, Fault.BUSY]) for n in range(20)} == {Fault.LOST}
    assert schedule.draw("SQL COPY", [Fault.BUSY]) is Fault.BUSY


def test_what_lasts_ends_when_all_is_calm_and_is_no_kill() -> None:
    schedule = Schedule("seed", 1.0, 99, persistent=True)
    met = {schedule.draw("PutObject", tuple(Fault)) for _ in range(200)}
    assert len(met) == 1
    assert not met & KILLS
    schedule.fault_free = True
    assert schedule.draw("PutObject", tuple(Fault)) is None


def result(store: str, fault: Fault, times: int) -> Result:
    schedule = Schedule("seed", 0.0, 0)
    schedule.injected = [(fault, "a request")] * times
    return Result(1, "gzip", store, 0.01, "failed", schedule, 1.0, 5, MIN_OCCURRENCES, 0, ())


def test_what_came_too_rarely_is_told() -> None:
    results = [result("bucket", fault, MIN_OCCURRENCES) for fault in (Fault.KILL_AFTER, Fault.TIMED_OUT, Fault.LOST)]
    assert too_rare(results) == ["3 redrives of bucket"]
    assert too_rare(results * 7) == []
    assert occurrence_table(results).splitlines()[-1] == "| bucket | 20 | 20 | 60 | 20 | 3 |"
