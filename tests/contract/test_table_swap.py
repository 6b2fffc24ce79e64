"""Several loads replace a table together: each is staged, and one swap makes all of them visible."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.test_table_sink_replace import PLAIN, SONGS, chunk, plan_of, stagings
from penstock.destinations.ports import Swapped
from penstock.destinations.postgres.connect import by_dsn
from penstock.destinations.postgres.sink import LEDGER
from penstock.destinations.postgres.table_swap import PostgresTableSwap
from penstock.errors import (
    IncompleteJobError,
    InvalidTableError,
    LeaseLostError,
    PenstockError,
    ServiceUnavailableError,
    SupersededError,
)
from penstock.model.replacement import Replacement
from penstock.model.table import Table
from postgres_database import Database
from postgres_proxy import proxied

pytest_plugins = ["postgres_fixtures"]

FIRST = Replacement("g" * 32, "a" * 32, "attempt 1", "songs", "series", "01")
SECOND = replace(FIRST, attempt="attempt 2")
NEWER = replace(FIRST, id="n" * 32, job_id="b" * 32, order="02")
TABLE = "CREATE TABLE songs (id int, title text); INSERT INTO songs VALUES (1, 'old')"


def swap_of(database: Database, replacement: Replacement = FIRST, table: Table = SONGS) -> PostgresTableSwap:
    return PostgresTableSwap(by_dsn(database.dsn), replacement, [table], ledger=LEDGER, timeout=60)


def begin(database: Database, replacement: Replacement = FIRST, **options: bool) -> str:
    with swap_of(database, replacement) as swap:
        return swap.begin(**options)


def finish(database: Database, members: int, replacement: Replacement = FIRST) -> Swapped:
    with swap_of(database, replacement) as swap:
        return swap.finish(members)


def abort(database: Database, replacement: Replacement = FIRST) -> None:
    with swap_of(database, replacement) as swap:
        swap.abort()


def stage(
    database: Database,
    member: int,
    *titles: str,
    replacement: Replacement = FIRST,
    table: Table = SONGS,
    max_rejects: float = 0,
) -> None:
    with database.sink(f"member {member} of {replacement.load_id}") as sink:
        sink.join(replacement, (member,))
        resume = sink.begin(replace(plan_of(table), max_rejects=max_rejects))
        rows = [(str(10 * member + number), title) for number, title in enumerate(titles, start=1)]
        if resume.chunk == 0:
            assert sink.load(chunk(table, *rows)).rejects == ()
        sink.finish()
        assert sink.moved().rows == 0


def songs(database: Database) -> list[tuple[object, ...]]:
    return database.execute("SELECT id, title FROM songs ORDER BY id")


COMMIT = b"COMMIT\0"
OLD, NEW = [(1, "old")], [(11, "a"), (12, "b"), (21, "c")]


def test_nothing_is_visible_until_all_members_are_swapped_in_at_once(database: Database) -> None:
    database.execute(TABLE)
    assert begin(database) == ""
    stage(database, 1, "a", "b")
    with pytest.raises(IncompleteJobError, match="2 members replace it, but 1 is staged"):
        finish(database, 2)
    assert songs(database) == OLD
    stage(database, 2, "c")
    assert songs(database) == OLD
    assert len(stagings(database)) == 1
    assert finish(database, 2) == Swapped({})
    assert songs(database) == NEW
    assert stagings(database) == set()


def test_the_swap_takes_place_once(database: Database) -> None:
    database.execute(TABLE)
    begin(database)
    stage(database, 1, "a", "b")
    stage(database, 2, "c")
    finish(database, 2)
    database.execute("INSERT INTO songs VALUES (99, 'later')")
    assert finish(database, 2) == Swapped({})  # the answer was lost
    assert begin(database) == FIRST.attempt
    assert begin(database, SECOND) == FIRST.attempt
    assert finish(database, 2, SECOND) == Swapped({})
    abort(database)
    assert songs(database) == [*NEW, (99, "later")]


def test_a_command_may_swap_again(database: Database) -> None:
    database.execute(TABLE)
    for attempt in (FIRST, SECOND):
        assert begin(database, attempt, again=True) == ""
        stage(database, 1, "a", "b", replacement=attempt)
        stage(database, 2, "c", replacement=attempt)
        finish(database, 2, attempt)
        assert songs(database) == NEW


def test_a_member_that_is_staged_twice_is_there_once(database: Database) -> None:
    database.execute(TABLE)
    begin(database)
    for _ in range(2):
        stage(database, 1, "a", "b")
        stage(database, 2, "c")
    begin(database)
    finish(database, 2)
    assert songs(database) == NEW


def test_a_later_attempt_stages_all_again(database: Database) -> None:
    database.execute(TABLE)
    begin(database)
    stage(database, 1, "lost")
    stage(database, 2, "lost")
    begin(database, SECOND)
    assert stagings(database) == set()
    stage(database, 1, "a", "b", replacement=SECOND)
    with pytest.raises(LeaseLostError, match="another attempt"):
        finish(database, 2)
    with pytest.raises(LeaseLostError, match="another attempt"):
        stage(database, 3, "late")
    with pytest.raises(LeaseLostError, match="has ended"):
        begin(database)
    abort(database)  # changes nothing: it has nothing any more
    stage(database, 2, "c", replacement=SECOND)
    finish(database, 2, SECOND)
    assert songs(database) == NEW


def test_an_aborted_attempt_leaves_nothing_and_stages_nothing_more(database: Database) -> None:
    database.execute(TABLE)
    begin(database)
    stage(database, 1, "a")
    stage(database, 2, "c")
    with database.sink("open") as sink:
        sink.join(FIRST, (2, 3))
        sink.begin(plan_of(SONGS))
        for _ in range(2):
            abort(database)
        assert stagings(database) == set()
        with pytest.raises(PenstockError):
            sink.load(chunk(SONGS, ("1", "late")))
    with pytest.raises(InvalidTableError, match="the job of the archive has ended") as gone:
        stage(database, 4, "late")
    assert "Redrive the job of the archive" in gone.value.hint
    with pytest.raises(LeaseLostError):
        begin(database)
    with pytest.raises(InvalidTableError):
        finish(database, 2)
    assert songs(database) == OLD
    assert stagings(database) == set()


def test_the_abort_of_an_attempt_that_never_began_drops_what_an_earlier_one_has_staged(database: Database) -> None:
    database.execute(TABLE)
    begin(database)
    stage(database, 1, "a")
    abort(database, SECOND)
    assert len(stagings(database)) == 1
    with swap_of(database, SECOND) as swap:
        swap.abort(earlier=True)
    assert stagings(database) == set()
    for attempt in (FIRST, SECOND):
        with pytest.raises(LeaseLostError):
            begin(database, attempt)
    assert songs(database) == OLD


def test_an_attempt_that_was_aborted_before_it_began_never_begins(database: Database) -> None:
    abort(database)  # there is no ledger
    begin(database)
    abort(database)
    abort(database, SECOND)
    with pytest.raises(LeaseLostError):
        begin(database, SECOND)
    third = replace(FIRST, attempt="attempt 3")
    assert begin(database, third) == ""


def test_a_staging_table_that_was_dropped_is_detected(database: Database) -> None:
    database.execute(TABLE)
    begin(database)
    stage(database, 1, "a")
    database.execute(f'DROP TABLE "{stagings(database).pop()}"')
    with pytest.raises(InvalidTableError, match="no longer exists"):
        stage(database, 2, "c")
    with pytest.raises(InvalidTableError, match="no longer exists"):
        finish(database, 1)
    assert songs(database) == OLD


def test_an_older_version_of_the_archive_never_replaces_a_newer_one(database: Database) -> None:
    database.execute(TABLE)
    for version, title in ((FIRST, "older"), (NEWER, "newer")):
        begin(database, version)
        stage(database, 1, title, replacement=version)
        stage(database, 2, title, replacement=version)
    finish(database, 2, NEWER)
    with pytest.raises(SupersededError, match="newer version of the archive"):
        finish(database, 2)
    abort(database)
    assert {title for _, title in songs(database)} == {"newer"}
    assert stagings(database) == set()
    same = replace(NEWER, id="m" * 32, attempt="again")
    begin(database, same)
    stage(database, 1, "same version", replacement=same)
    finish(database, 1, same)
    assert {title for _, title in songs(database)} == {"same version"}


def test_a_table_that_the_first_member_creates_is_dropped_unless_it_is_swapped(database: Database) -> None:
    created = replace(SONGS, create=True)
    for attempt, swapped in ((FIRST, False), (SECOND, True)):
        begin(database, attempt)
        stage(database, 1, "a", "b", replacement=attempt, table=created)
        stage(database, 2, "c", replacement=attempt, table=created)
        if swapped:
            finish(database, 2, attempt)
        abort(database, attempt)
        assert ("songs" in database.tables()) is swapped
    assert songs(database) == NEW


def test_all_properties_of_the_table_stay(database: Database) -> None:
    database.execute(PLAIN)
    begin(database)
    stage(database, 1, "a", "b")
    stage(database, 2, "c")
    finish(database, 2)
    assert songs(database) == NEW
    assert database.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'songs'") == [(5,)]


def refusing(database: Database) -> None:
    """Only the table itself refuses some titles."""
    database.execute(TABLE)
    database.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN IF NEW.title = 'bad' THEN RAISE check_violation USING MESSAGE = 'no'; END IF; "
        "IF NEW.title = 'left out' THEN RETURN NULL; END IF; RETURN NEW; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON songs FOR EACH ROW EXECUTE FUNCTION refuse()"
    )


@pytest.mark.parametrize(("limit", "swapped"), [(1, True), (0, False)])
def test_rows_that_only_the_table_refuses_are_those_of_their_members(
    database: Database, limit: int, *, swapped: bool
) -> None:
    refusing(database)
    begin(database)
    stage(database, 1, "a", "b", max_rejects=0)
    stage(database, 2, "bad", "left out", "c", max_rejects=limit)
    for _ in range(2):
        found = finish(database, 2)
        assert {number: [one.position.row for one in rejects] for number, rejects in found.refused.items()} == {
            (2,): [1]
        }
        assert found.over == (() if swapped else ((2,),))
        assert songs(database) == ([(11, "a"), (12, "b"), (23, "c")] if swapped else OLD)
    assert found.dropped == 1


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_swap_whose_connection_is_cut_takes_place_once(database: Database, side: str) -> None:
    database.execute(TABLE)
    begin(database)
    stage(database, 1, "a", "b")
    stage(database, 2, "c")
    with proxied(database.dsn) as proxy, swap_of(replace(database, dsn=proxy.dsn)) as swap:
        setattr(proxy, side, COMMIT)
        with pytest.raises(ServiceUnavailableError):
            swap.finish(2)
        assert proxy.cuts == 1
    assert songs(database) == (OLD if side == "before" else NEW)
    finish(database, 2)
    assert songs(database) == NEW
