"""Small jobs of one table share a commit. Each row is in the table once, whatever dies or gets lost."""

from __future__ import annotations

from typing import Any

import pytest

from committed_jobs import LEASE, TABLE, Calls, Killed, World, dying, job_of
from penstock.destinations.iceberg.ports import WrittenFiles
from penstock.errors import AccessDeniedError, CommitInDoubtError, ServiceUnavailableError, SupersededError
from penstock.jobs.commit.committing import DOUBTS, MOST_FILES
from penstock.large_jobs.table_commits import TableCommits
from penstock.model.commit import TABLE as WHOLE_TABLE
from penstock.model.job import Claim
from penstock.model.table import Mode
from penstock.testing import ManualDeadline, MemoryExecutionStore
from penstock.testing.commits import file_of


def test_jobs_that_wait_together_share_one_commit() -> None:
    world = World()
    held = [world.hold(f"{number}", f"{number}") for number in range(3)]
    assert world.run() == {}
    assert (world.states(), world.names(), world.snapshots()) == ({"succeeded": 3}, ["0", "1", "2"], 1)
    ended = world.status(held[0])
    assert ended.commit.id == "commit-0"
    assert ended.commit.snapshot == world.catalog.tables[TABLE][0].id
    assert (ended.progress.rows, ended.warnings) == (1, ())


def test_a_job_that_is_announced_twice_is_committed_once() -> None:
    world = World()
    job_id = world.hold("a", "a")
    world.run(job_id, job_id)
    world.run(job_id)
    assert (world.names(), world.snapshots()) == (["a"], 1)


def test_the_jobs_of_other_tables_and_jobs_that_have_ended_are_left_alone() -> None:
    world = World()
    world.hold("a", "a")
    assert world.commits()({"other.table": ["unknown"]}, ManualDeadline(800.0)) == {}
    assert (world.snapshots(), world.states()) == (0, {"committing": 1})


def test_a_job_without_rows_succeeds_without_a_commit() -> None:
    world = World()
    world.hold("empty")
    assert (world.run(), world.states(), world.snapshots()) == ({}, {"succeeded": 1}, 0)


def test_a_commit_has_a_bounded_number_of_files() -> None:
    world = World()
    for number in range(3):
        world.hold(f"{number}", *(f"{number}-{file}" for file in range(MOST_FILES // 2)))
    world.run()
    assert [len(commit.files) for commit in world.catalog.commits] == [MOST_FILES, MOST_FILES // 2]


def test_files_of_two_partition_specs_are_not_in_one_commit() -> None:
    world = World()
    world.hold("a", "a", spec_id=0)
    world.hold("b", "b", spec_id=1)
    world.run()
    assert [commit.spec_id for commit in world.catalog.commits] == [0, 1]


def test_files_of_a_table_and_of_its_successor_are_not_in_one_commit() -> None:
    world = World()
    world.hold("a", "a", table_id="old")
    world.hold("b", "b", table_id="new")
    world.run()
    assert [commit.table_id for commit in world.catalog.commits] == ["old", "new"]


# Jobs that fail.


def test_a_job_whose_files_do_not_fit_fails_alone() -> None:
    world = World()
    held = {name: world.hold(name, name) for name in "abcdefgh"}
    world.catalog.unfit = {file_of("f").uri}
    assert world.run() == {}
    assert world.states() == {"failed": 1, "succeeded": 7}
    failed = world.status(held["f"])
    assert failed.failure
    assert (failed.failure.error, world.names()) == ("InvalidTableError", list("abcdegh"))
    assert list(world.jobs.unused) == [held["f"]]


def test_without_a_right_all_jobs_fail_after_one_request() -> None:
    world = World()
    for name in "abcd":
        world.hold(name, name)
    tries = []

    def refuse(commit: Any) -> None:
        tries.append(commit)
        raise AccessDeniedError("glue:UpdateTable is not allowed")

    world.catalog.before = refuse
    world.run()
    assert (len(tries), world.states()) == (1, {"failed": 4})


def test_a_missing_table_fails_all_jobs_at_once() -> None:
    world = World()
    for name in "abcd":
        world.hold(name, name)
    del world.catalog.tables[TABLE]
    assert (world.run(), world.states()) == ({}, {"failed": 4})


def test_jobs_that_failed_are_committed_as_soon_as_they_are_redriven() -> None:
    world = World()
    held = [(world.hold(name, name), name) for name in "ab"]
    del world.catalog.tables[TABLE]
    world.run()
    world.catalog.create(TABLE)
    for job_id, name in held:
        world.redrive(job_id, name)
    assert (world.run(), world.states(), world.names()) == ({}, {"succeeded": 2}, ["a", "b"])


def test_a_job_whose_record_of_files_has_expired_fails_alone() -> None:
    world = World()
    lost = world.hold("lost", "lost")
    world.hold("kept", "kept")
    world.files.written[lost] = WrittenFiles(missing=1)
    world.run()
    failure = world.status(lost).failure
    assert failure
    assert (failure.error, world.names()) == ("IncompleteJobError", ["kept"])


def test_a_service_that_is_down_leaves_the_jobs_to_a_later_invocation() -> None:
    world = World()
    job_id = world.hold("a", "a")

    def down(_: Any) -> None:
        raise ServiceUnavailableError("Glue does not answer")

    world.catalog.before = down
    assert world.run() == {job_id: "ServiceUnavailableError"}
    world.catalog.before = lambda _: None
    assert world.run() == {}
    assert (world.names(), world.states()) == (["a"], {"succeeded": 1})


# Answers that get lost.


def test_a_lost_answer_is_resolved_by_a_look_at_the_snapshots() -> None:
    world = World()
    world.hold("a", "a")
    world.catalog.after = _lose_answer
    assert world.run() == {}
    assert (world.names(), world.snapshots(), world.states()) == (["a"], 1, {"succeeded": 1})


def test_a_commit_that_nobody_can_find_out_about_ends_in_doubt_after_some_attempts() -> None:
    world = World()
    job_id = world.hold("a", "a")
    _doubt(world)
    for _ in range(DOUBTS - 1):
        assert world.run() == {job_id: "CommitInDoubtError"}
    assert world.run() == {}
    assert world.states() == {"in_doubt": 1}
    assert world.jobs.unused == {}  # nothing is deleted


@pytest.mark.parametrize("is_in", [True, False])
def test_a_job_in_doubt_that_is_redriven_is_in_the_table_once(*, is_in: bool) -> None:
    world = World()
    world.hold("first", "first")
    world.run()
    held = {name: world.hold(name, name) for name in "ab"}
    _doubt(world, is_in=is_in)
    for _ in range(DOUBTS):
        world.run(*held.values())
    assert world.states() == {"in_doubt": 2, "succeeded": 1}
    _settle(world)
    for name, job_id in held.items():  # one after the other, and each looks for the commit of both
        world.redrive(job_id, name)
        assert world.run(job_id) == {}
    assert (world.names(), world.states()) == (["a", "b", "first"], {"succeeded": 3})


def _doubt(world: World, *, is_in: bool = False) -> None:
    """Let no attempt find out what has become of the first request. If ``is_in``, it was carried out."""

    def lose(commit: Any) -> None:
        if is_in and not any(commit.id == one.commit for one in world.catalog.tables[TABLE]):
            world.catalog._swap(commit)
        raise CommitInDoubtError("no answer, and Glue cannot be read")

    def blind(*_: Any) -> Any:
        raise CommitInDoubtError("Glue cannot be read")

    world.catalog.before = lose
    world.catalog.find = blind  # type: ignore[assignment,method-assign]


def _settle(world: World) -> None:
    """Let the catalog answer again."""
    world.catalog.before = lambda _: None
    del world.catalog.find


def _lose_answer(_: Any) -> None:
    raise CommitInDoubtError("no answer")


# Processes that are killed, and several at once.


# Of a batch of two jobs: they are read and taken, the batch begins, its base and its snapshot are recorded, it is read,
# and the jobs are ended.
CALLS = 9


# Of one job that replaces rows: whether it is overtaken is asked, and the catalog commits.
CALLS_OF_ONE = 9


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(CALLS))
def test_a_process_may_be_killed_at_any_call_of_the_store(at: int, *, after: bool) -> None:
    world = World()
    held = [world.hold(name, name) for name in "ab"]
    store = dying(world.store, at, after=after)
    with pytest.raises(Killed):
        world.run(*held, store=store)
    world.clock.now += LEASE
    held.append(world.hold("c", "c"))
    assert world.run(*held) == {}
    assert (world.names(), world.states()) == (["a", "b", "c"], {"succeeded": 3})


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_may_be_killed_in_the_request_that_commits(when: str) -> None:
    world = World()
    held = [world.hold(name, name) for name in "ab"]

    def die(_: Any) -> None:
        raise Killed

    setattr(world.catalog, when, die)
    with pytest.raises(Killed):
        world.run(*held)
    setattr(world.catalog, when, lambda _: None)
    assert world.run(*held) == dict.fromkeys(held, "JobInProgressError")  # it may be alive still
    world.clock.now += LEASE
    assert world.run(*held) == {}
    assert (world.names(), world.states()) == (["a", "b"], {"succeeded": 2})


def test_a_process_that_is_slow_to_write_its_batch_commits_no_job_of_another() -> None:
    world = World()
    held = [world.hold(name, name) for name in "ab"]
    store: Any = world.store
    begin = store.begin

    def slowly(batch: Any) -> Any:
        """Another process finds that the jobs were taken, and goes on with them."""
        store.begin = begin
        assert world.run(*held) == {}
        return begin(batch)

    store.begin = slowly
    world.run(*held)
    assert (world.names(), world.states()) == (["a", "b"], {"succeeded": 2})


def test_two_invocations_with_the_same_message_commit_its_job_once() -> None:
    world = World()
    job_id = world.hold("a", "a")
    seen: list[dict[str, str]] = []

    def at_once(_: Any) -> None:
        world.catalog.before = lambda _: None
        seen.append(world.run(job_id))

    world.catalog.before = at_once
    world.run(job_id)
    assert seen == [{job_id: "JobInProgressError"}]
    assert (world.names(), world.states()) == (["a"], {"succeeded": 1})


# Jobs that replace rows.


def test_a_job_that_replaces_rows_is_committed_alone_and_in_order() -> None:
    world = World()
    world.hold("a", "a")
    world.hold("new", "new", job=job_of("new", mode=Mode.REPLACE), replaces=WHOLE_TABLE)
    world.hold("b", "b")
    world.run()
    assert [(len(commit.files), commit.replace, commit.whole) for commit in world.catalog.commits] == [
        (1, False, False),
        (1, True, True),
        (1, False, False),
    ]
    assert world.names() == ["b", "new"]


def test_a_job_that_replaces_the_table_by_nothing_empties_it() -> None:
    world = World()
    world.hold("a", "a")
    world.hold("empty", job=job_of("empty", mode=Mode.REPLACE), replaces=WHOLE_TABLE)
    world.run()
    assert (world.names(), world.states()) == ([], {"succeeded": 2})


def test_an_older_version_that_replaces_rows_is_superseded() -> None:
    world = World()
    versions = [job_of("x", mode=Mode.REPLACE, sequencer=number, version=number) for number in ("0A", "0B")]
    older, newer = (world.hold("x", job.source.version_id, job=job, replaces=WHOLE_TABLE) for job in versions)
    world.run()
    assert (world.status(older).state, world.status(newer).state) == ("superseded", "succeeded")
    assert world.names() == ["0B"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(CALLS_OF_ONE))
def test_the_newer_of_two_replacements_stays_whenever_it_goes_in(at: int, *, after: bool) -> None:
    world = World()
    older, newer = (job_of("x", mode=Mode.REPLACE, sequencer=number, version=number) for number in ("0A", "0B"))
    world.hold("x", "0A", job=older, replaces=WHOLE_TABLE)

    def overtake() -> None:
        world.hold("x", "0B", job=newer, replaces=WHOLE_TABLE)
        assert world.run(newer.id) == {}

    calls = Calls(at, overtake, after=after)
    assert world.run(older.id, store=calls.of(world.store), catalog=calls.of(world.catalog)) == {}
    assert calls.left < 0
    assert (world.names(), world.status(newer.id).state) == (["0B"], "succeeded")
    assert world.status(older.id).state in ("superseded", "succeeded")


def test_a_replacement_that_is_overtaken_in_its_last_step_is_superseded() -> None:
    world = World()
    older, newer = (job_of("x", mode=Mode.REPLACE, sequencer=number, version=number) for number in ("0A", "0B"))
    world.hold("x", "0A", job=older, replaces=WHOLE_TABLE)

    def overtake(_: Any) -> None:
        world.catalog.before = lambda _: None
        world.hold("x", "0B", job=newer, replaces=WHOLE_TABLE)
        assert world.run(newer.id) == {}

    world.catalog.before = overtake
    assert world.run(older.id) == {}
    assert (world.names(), world.states()) == (["0B"], {"succeeded": 1, "superseded": 1})


def test_a_thousand_jobs_of_ten_seconds_take_few_commits() -> None:
    world = World()
    held = [world.hold(f"{number}", f"{number:04}") for number in range(1_000)]
    for first in range(0, len(held), 100):  # as messages come in, with a window of a second
        assert world.run(*held[first : first + 100]) == {}
    assert world.snapshots() <= 20
    assert (len(world.names()), world.states()) == (1_000, {"succeeded": 1_000})


def test_a_large_job_is_superseded_by_a_newer_one_that_goes_in_during_its_commit() -> None:
    world = World()
    older, newer = (job_of("x", mode=Mode.REPLACE, sequencer=number, version=number) for number in ("0A", "0B"))
    executions = MemoryExecutionStore(world.jobs)
    claim = world.jobs.claim(older, lease=60)
    assert isinstance(claim, Claim)
    executions.hand_over(claim, "execution", lease=900)
    world.files.written[older.id] = WrittenFiles((file_of("0A"),), size=100)
    commits = TableCommits(executions, world.files, lambda: world.catalog, world.clock)

    def overtake(_: Any) -> None:
        world.catalog.before = lambda _: None
        world.hold("x", "0B", job=newer, replaces=WHOLE_TABLE)
        assert world.run(newer.id) == {}

    world.catalog.before = overtake
    with pytest.raises(SupersededError):
        commits.commit(older, "execution", [0])
    assert (world.names(), world.status(older.id).commit.under_way) == (["0B"], False)
