"""Files of a span: whatever is killed, lost or doubled, each row is visible once, and no upload stays open."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import count, groupby

import pytest

from lake_loads import JOB, PLACE, chunks_of, ids, load, open_sink, plan
from penstock.destinations.parquet.span_files import records_of
from penstock.errors import IncompleteJobError, LeaseLostError, ServiceUnavailableError
from penstock.model.load import Chunk, Resume
from penstock.model.load_origin import LoadOrigin
from penstock.model.object import Source
from penstock.testing.lake import MemoryLake

TABLE = plan("country")
CHUNKS = chunks_of(TABLE, 25)
ALL = list(range(25))


class KilledError(BaseException):
    """The function is gone: it sends no more requests, and runs no cleanup that reaches S3."""


def at(number: int, act: Callable[[], None], *, dies: bool = False) -> Callable[[str], None]:
    """Call ``act`` at the request, or the answer, of this number. ``dies``: everything after it fails, too."""
    numbers = count()
    dead: list[bool] = []

    def ask(_: str) -> None:
        if dead:
            raise KilledError
        if next(numbers) == number:
            if dies:
                dead.append(True)
            act()

    return ask


def killed() -> None:
    raise KilledError


def lost() -> None:
    raise ServiceUnavailableError("the answer is lost")


def steps() -> int:
    """The requests and answers of one undisturbed load."""
    asked: list[str] = []
    load(open_sink(MemoryLake(), ask=asked.append), TABLE, CHUNKS)
    return len(asked)


STEPS = range(steps())


def check(lake: MemoryLake) -> None:
    assert ids(lake) == ALL
    assert lake.uploads == {}


@pytest.mark.parametrize("number", STEPS)
def test_a_load_that_is_killed_anywhere_is_repeated_without_a_second_row(number: int) -> None:
    lake = MemoryLake()
    with pytest.raises(KilledError):
        load(open_sink(lake, ask=at(number, killed, dies=True)), TABLE, CHUNKS)
    assert load(open_sink(lake), TABLE, CHUNKS).rows == len(ALL)
    check(lake)


@pytest.mark.parametrize("number", STEPS)
def test_a_request_that_fails_or_whose_answer_is_lost_adds_no_row_twice(number: int) -> None:
    lake = MemoryLake()
    with pytest.raises(ServiceUnavailableError):
        load(open_sink(lake, ask=at(number, lost)), TABLE, CHUNKS)
    load(open_sink(lake), TABLE, CHUNKS)
    check(lake)


@pytest.mark.parametrize("number", STEPS)
def test_of_two_attempts_at_once_one_adds_the_rows(number: int) -> None:
    lake = MemoryLake()

    def other() -> None:
        load(open_sink(lake), TABLE, CHUNKS)

    first = open_sink(lake, ask=at(number, other))
    try:
        load(first, TABLE, CHUNKS)
    except LeaseLostError:
        assert number > 0
    check(lake)


@pytest.mark.parametrize("number", STEPS)
def test_an_ended_job_has_whole_spans_and_nothing_else(number: int) -> None:
    """A worker that is stopped anywhere, while the job is aborted, either has added its span by then or never does."""
    lake = MemoryLake()
    seen: list[list[int]] = []

    def end_job() -> None:
        with open_sink(lake) as sink:
            sink.fence()
        with open_sink(lake) as sink:
            sink.abort()
            reached = sink.reached()
        assert sum(one.rows for one in (reached or {}).values()) == len(ids(lake))
        seen.append(ids(lake))

    worker = open_sink(lake, 1, at(number, end_job))
    worker.hold("execution", lambda: bool(seen))
    with suppress(LeaseLostError):
        load(worker, TABLE, CHUNKS)
    assert ids(lake) == seen[0]
    assert seen[0] in ([], ALL)
    load(open_sink(lake, 1), TABLE, CHUNKS)  # a redrive
    check(lake)


def test_a_span_that_is_done_is_known_by_its_record() -> None:
    lake = MemoryLake()
    with open_sink(lake) as sink:
        assert (sink.ended(), sink.reached()) == (None, {})
    load(open_sink(lake), TABLE, CHUNKS)
    with open_sink(lake) as sink:
        end, reached = sink.ended(), sink.reached()
        assert end
        assert (end.total.rows, end.total.row, reached) == (25, 26, {0: end.total})
        assert sink.is_finished()
    [(number, record)] = records_of(lake.client(), JOB)
    assert (number, record.state, len(record.files)) == (0, "published", 3)
    assert {file.uri.rpartition("/")[0]: file.rows for file in record.data_files} == {
        f"{PLACE}country=DE": 9,
        f"{PLACE}country=FR": 8,
        f"{PLACE}country=__HIVE_DEFAULT_PARTITION__": 8,
    }


def test_the_end_of_a_job_publishes_what_its_last_attempt_has_recorded() -> None:
    lake = MemoryLake()
    names: list[str] = []

    def dies_at_first_publish(name: str) -> None:
        names.append(name)
        if name == "publish":
            raise KilledError

    with pytest.raises(KilledError):
        load(open_sink(lake, ask=dies_at_first_publish), TABLE, CHUNKS)
    assert ids(lake) == []
    with open_sink(lake) as sink:
        assert sink.ended()
    check(lake)


def test_take_over_of_a_large_job_shuts_ingest_out() -> None:
    """`plan` takes span 0 over; `finish` finds that, and records the end of the job there."""
    lake = MemoryLake()
    late = open_sink(lake)
    late.begin(TABLE)
    late.load(CHUNKS[0])
    with open_sink(lake) as plan_step:
        resume = plan_step.begin(TABLE)
        assert not plan_step.has_other_spans()
        plan_step.load(Chunk(resume.chunk, resume.offset, resume.row, records=0, rows=()))
    with late, pytest.raises(LeaseLostError):
        late.complete()
    load(open_sink(lake, 1), TABLE, CHUNKS)
    with open_sink(lake) as abort:
        abort.fence()
        abort.abort()  # a redrive goes on, with the same plan
    with open_sink(lake) as finish:
        assert finish.begin(TABLE).chunk == 1
        assert finish.has_other_spans()
        assert finish.ended() is None
        finish.finish(Resume(chunk=3, offset=25, row=26, rows=25))
    with open_sink(lake) as sink:
        end = sink.ended()
        assert end
        assert end.total.rows == 25
    check(lake)


def test_a_redrive_whose_records_have_expired_is_refused() -> None:
    lake = MemoryLake()
    load(open_sink(lake), TABLE, CHUNKS)
    lake.files.clear()
    with open_sink(lake) as sink:
        sink.describe(LoadOrigin(Source("drops", "a.csv", 1, "e"), "orders", (), redrives=1))
        with pytest.raises(IncompleteJobError, match="records of its spans have expired"):
            sink.begin(TABLE)
    check(lake)


def test_a_file_whose_upload_has_ended_without_it_is_an_error() -> None:
    lake = MemoryLake()

    def dies_at_first_publish(name: str) -> None:
        if name == "publish":
            raise KilledError

    with pytest.raises(KilledError):
        load(open_sink(lake, ask=dies_at_first_publish), TABLE, CHUNKS)
    lake.uploads.clear()  # the lifecycle rule of the bucket
    with pytest.raises(IncompleteJobError, match="has ended without it"):
        load(open_sink(lake), TABLE, CHUNKS)


def test_a_source_without_rows_has_one_file_with_its_columns() -> None:
    lake = MemoryLake()
    load(open_sink(lake), plan(), [])
    assert [uri.rpartition("/")[2] for uri in lake.objects] == [f"{JOB}-00000-000.parquet"]
    assert ids(lake) == []
    # A folder for each value: without a value there is none. A span of a large job is not a source.
    for span, table in ((0, TABLE), (1, plan())):
        empty = MemoryLake()
        load(open_sink(empty, span), table, [])
        assert empty.objects == {}


def test_the_lease_is_renewed_between_the_files_of_a_span() -> None:
    """2,000 files take minutes, and a lease ends after one: another attempt would begin again, and so on."""
    table = plan("id")
    asked: list[str] = []
    sink = open_sink(MemoryLake(), ask=asked.append)

    def renew() -> bool:
        asked.append("renew")
        return False

    sink.hold("attempt", renew)
    load(sink, table, chunks_of(table, 25))
    longest = max(len(list(run)) for is_renewal, run in groupby(asked, "renew".__eq__) if not is_renewal)
    assert (asked.count("renew") >= 2 * 25, longest < 12) == (True, True)
