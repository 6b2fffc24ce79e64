"""The report: all of a job on one page, whatever its texts are."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

import pytest

from job_reports import BEGAN, HOSTILE, failed, hostile, running, spans, succeeded
from penstock.model.job_status import JobState
from penstock.model.member import MemberCounts
from penstock.operations.job_report import JobReport, timeline
from penstock_cli.job_text import one_line
from penstock_cli.report_page import page

REJECTS = "s3://work/jobs/3f9a/rejects/"


class Reader(HTMLParser):
    """Elements with their attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open[-1:] != ["style"]:
            self.texts.append(data.strip())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def read(job_report: JobReport) -> Reader:
    return Reader(page(job_report, timeline(job_report.spans), rejects_at=REJECTS, now=BEGAN + 100))


@pytest.mark.parametrize("job_report", [succeeded, failed, running, hostile], ids=lambda make: str(make.__name__))
def test_every_element_is_closed_and_nothing_is_loaded_or_run(job_report: object) -> None:
    found = read(job_report())  # type: ignore[operator]  # one of the makers above
    assert found.open == []
    assert not {"script", "link", "img", "iframe", "object", "base", "a"} & {name for name, _ in found.elements}
    for _, attributes in found.elements:
        assert not any(name.startswith("on") or name in {"src", "href", "action"} for name in attributes)


def test_the_policy_of_the_page_forbids_scripts_and_requests() -> None:
    (policy,) = (meta["content"] for meta in read(succeeded()).of("meta") if "http-equiv" in meta)
    assert policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_texts_that_somebody_else_chose_are_shown_and_do_nothing() -> None:
    found = read(hostile())
    shown = [text for text in found.texts if "document.title" in text]
    assert len(shown) > 12
    assert one_line(HOSTILE) in found.texts
    for text in found.texts:
        assert text.isprintable()


def test_a_success_shows_figures_and_what_proves_them() -> None:
    texts = read(succeeded()).texts
    for text in (
        "succeeded",
        "2026-11-22.csv.gz",
        "93.0 MB",
        "all of it",
        "6,000,000",
        "24 of 24",
        "8d1f00aa (of all decoded bytes)",
        "93,000,000 bytes, ETag 9b2cf535f27731c974343645a3985328-12, version v1",
    ):
        assert text in texts


def test_a_failure_shows_why_what_to_do_and_how_to_begin_again() -> None:
    texts = read(failed()).texts
    assert "TooManyRejectsError" in texts
    assert any(text.startswith("Fix the listed records") for text in texts)
    assert f"penstock redrive {failed().status.job_id}" in texts
    assert "2, redriven once" in texts


def test_an_earlier_failure_of_a_success_is_not_shown() -> None:
    told = succeeded()
    status = replace(told.status, failure=failed().status.failure)
    assert "TooManyRejectsError" not in read(replace(told, status=status)).texts


def test_a_job_at_work_shows_how_far_it_is() -> None:
    found = read(running())
    # The index has read all of it, and the workers 35 of 93 MB once more.
    assert {"width:68.82%"} == {one["style"] for one in found.of("i") if "width" in (one.get("style") or "")}
    assert "Last sign of life" in found.texts


@pytest.mark.parametrize(("count", "workers"), [(1, 1), (24, 6), (2000, 400)])
def test_every_span_is_a_bar_within_the_picture(count: int, workers: int) -> None:
    told = succeeded()
    done = spans(count, workers)
    last = max(span.began + span.seconds for span in done)
    told = replace(told, spans=done, status=replace(told.status, finished_at=last + 1))
    bars = [one for one in read(told).of("rect") if one["class"] in {"span", "rejecting"}]
    assert len(bars) == count
    for bar in bars:
        assert float((bar["x"] or "").rstrip("%")) + float((bar["width"] or "").rstrip("%")) <= 100.2
    (picture,) = read(told).of("svg")
    assert float(picture["height"] or 0) <= 481 + 16  # and a lane for the phases


def test_the_timeline_says_how_long_each_phase_took() -> None:
    told = succeeded()
    found = read(told)
    phases = [one["class"] for one in found.of("rect") if (one["class"] or "").startswith("phase")]
    assert phases == ["phase plan", "phase index", "phase spans", "phase finish"]
    assert {"plan, 0.50 s", "index, 8.00 s", "finish, 1.00 s"} <= set(found.texts)


def test_a_job_that_is_being_indexed_shows_the_phases_so_far() -> None:
    told = running()
    status = replace(told.status, phases=told.status.phases[:2], spans=0, spans_done=0, updated_at=BEGAN + 4)
    found = read(replace(told, spans=(), status=status))
    assert "index, 3.00 s" in found.texts


def test_a_job_in_one_invocation_has_no_timeline() -> None:
    told = succeeded()
    found = read(replace(told, spans=(), status=replace(told.status, execution="", spans=0, phases=())))
    assert found.of("svg") == []
    assert "Timeline" not in found.texts


def test_rejects_that_have_expired_are_said_so() -> None:
    assert "3 records were rejected; their files have expired." in read(replace(succeeded(), rejects=())).texts


def test_a_sample_of_the_rejects_says_where_all_are() -> None:
    texts = read(failed()).texts
    assert "The first 3 of 31; all are in" in texts
    assert REJECTS in texts


@pytest.mark.parametrize("state", list(JobState))
def test_every_state_has_a_page(state: JobState) -> None:
    told = failed()
    assert str(state) in read(replace(told, status=replace(told.status, state=state))).texts


def test_the_report_of_an_archive_counts_its_members_and_calls_spans_batches() -> None:
    base = running()
    progress = replace(base.status.progress, members=MemberCounts(1_030, 1, 6, 2, total=2_000))
    archive = replace(base, status=replace(base.status, target="members", progress=progress))
    texts = read(archive).texts
    told = ["Delivered", "1,030 of 2,000", "Failed", "1", "Superseded", "2", "Left out", "6"]
    assert texts[texts.index("Members") + 1 :][:8] == told
    assert "Batches" in texts
    assert "Spans" not in texts
