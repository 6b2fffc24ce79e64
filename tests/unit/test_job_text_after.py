"""How commands show what became of an object after its job."""

from __future__ import annotations

from penstock.model.after import After, AfterState, AfterStatus
from penstock.model.job_status import JobState, JobStatus
from penstock.model.object import Location, Source
from penstock_cli import job_text
from penstock_cli.watch_view import line

PLAN = After("delete", "move:quarantine/")


def status(
    state: JobState, after: AfterState, message: str = "", moved: str = "", plan: After | None = PLAN
) -> JobStatus:
    source = Source("drops", "in/a", 1, "e1")
    kept = AfterStatus(plan, after, message) if plan else None
    place = Location(moved, "e1") if moved else None
    return JobStatus("id", state, source.uri, upload=source, after=kept, location=place)


def shown(found: JobStatus) -> tuple[object, object, str, str]:
    told = job_text.as_json(found)
    return told["location"], told["after"], job_text.after(found), job_text.moved(found)


def test_a_moved_object_is_shown_where_it_is() -> None:
    found = status(JobState.FAILED, AfterState.DONE, moved="quarantine/in/a")
    told = {"success": "delete", "failure": "move:quarantine/", "state": "done", "message": None}
    assert shown(found) == ("s3://drops/quarantine/in/a", told, "move:quarantine/ (done)", ", now quarantine/in/a")
    assert line(found).endswith("s3://drops/in/a, now quarantine/in/a")


def test_a_deleted_object_is_nowhere_even_if_it_was_moved_before() -> None:
    found = status(JobState.SUCCEEDED, AfterState.DONE, moved="quarantine/in/a")
    assert (shown(found)[0], shown(found)[2:]) == (None, ("delete (done)", ""))


def test_a_failed_action_says_why() -> None:
    found = status(JobState.SUCCEEDED, AfterState.FAILED, "AccessDeniedError: \x1b[31m")
    assert job_text.after(found) == "delete (failed)\nAccessDeniedError: \\x1b[31m"
    assert job_text.moved(found) == ", delete failed"


def test_nothing_is_shown_where_nothing_is_to_be_done() -> None:
    assert shown(status(JobState.SUCCEEDED, AfterState.PENDING, plan=None)) == (None, None, "", "")
    running = status(JobState.RUNNING, AfterState.PENDING)
    assert shown(running)[2:] == ("", "")
    told = job_text.as_json(running)["after"]
    assert isinstance(told, dict)
    assert told["state"] is None
