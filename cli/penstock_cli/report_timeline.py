"""The timeline of a report: the phases of an execution, and its spans in lanes."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

from penstock.model.job_status import JobStatus, Phase
from penstock.model.wording import counted
from penstock_cli import job_text
from penstock_cli.params import human_size

if TYPE_CHECKING:
    from penstock.model.span import SpanReceipt
    from penstock.wiring.operations import TimelineBar

# Pixels of a lane and of all lanes, and the number of axis sections.
LANE = 16.0
LANES = 480.0
GRID = 5


def timeline(status: JobStatus, bars: Sequence[TimelineBar]) -> str:
    """Return a picture with axis and legend; empty if no times are known."""
    phases = _phases(status)
    total = max(_last(status, bars) - status.started_at, 0.001)
    if not bars and not phases:
        return ""
    lanes = 1 + max((bar.lane for bar in bars), default=0)
    height = min(LANE, LANES / lanes)
    top = LANE if phases else 0.0
    shapes = [
        f'<line class="grid" x1="{mark * 100 / GRID}%" x2="{mark * 100 / GRID}%" y1="0" y2="100%"/>'
        for mark in range(GRID + 1)
    ]
    for phase, begin, end in phases:
        about = f"{phase}: {job_text.duration(end - begin)}"
        shapes.append(_rect(f"phase {phase}", about, begin=begin / total, end=end / total, top=0, height=LANE))
    for bar in bars:
        begin = bar.span.began - status.started_at
        end = begin + bar.span.seconds
        kind = "rejecting" if bar.span.rejects else "span"
        about = _about(bar.span)
        shapes.append(
            _rect(kind, about, begin=begin / total, end=end / total, top=top + bar.lane * height, height=height)
        )
    labels = "".join(f"<span>{_tick(total * mark / GRID, total)}</span>" for mark in range(GRID + 1))
    total_height = top + (height * lanes if bars else 0)
    durations = ", ".join(f"{phase} {job_text.duration(end - begin)}" for phase, begin, end in phases)
    name = f"{counted(len(bars), 'span')} over {job_text.duration(total)}" + (f": {durations}" if durations else "")
    return (
        f'<svg height="{total_height:.0f}" role="img" aria-label="{_text(name)}">{"".join(shapes)}</svg>'
        f'<div class="axis">{labels}</div><div class="key">{_key(phases)}</div>'
    )


def _phases(status: JobStatus) -> list[tuple[Phase, float, float]]:
    """Return each phase with its start and end, in seconds from the start of the job."""
    if not status.phases:
        return []
    ends = [began for _, began in status.phases[1:]] + [status.finished_at or status.updated_at]
    return [
        (phase, began - status.started_at, max(began, end) - status.started_at)
        for (phase, began), end in zip(status.phases, ends, strict=True)
    ]


def _last(status: JobStatus, bars: Sequence[TimelineBar]) -> float:
    known = [status.finished_at, *(bar.span.began + bar.span.seconds for bar in bars)]
    return max(known if status.finished_at else [*known, status.updated_at])


def _key(phases: Sequence[tuple[Phase, float, float]]) -> str:
    entries = "".join(
        f'<i class="phase {phase}"></i>{phase}, {_text(job_text.duration(end - begin))}' for phase, begin, end in phases
    )
    return (
        f'{entries}<i style="background:var(--bar)"></i>a span<i style="background:var(--warn)"></i>a span with rejects'
    )


def _rect(kind: str, about: str, *, begin: float, end: float, top: float, height: float) -> str:
    gap = 1.0 if height > 4 else 0.0  # noqa: PLR2004  # pixels between lanes, where there is room for them
    return (
        f'<rect class="{kind}" x="{begin:.3%}" width="{max(end - begin, 0.001):.3%}" y="{top:.1f}" '
        f'height="{height - gap:.1f}" rx="1"><title>{_text(about)}</title></rect>'
    )


def _tick(seconds: float, total: float) -> str:
    return f"{seconds:.1f} s" if total < 60 else _text(job_text.duration(seconds))  # noqa: PLR2004  # a minute


def _about(span: SpanReceipt) -> str:
    rows = f", {counted(span.rows, 'row')}" if span.rows else ""
    rejects = f", {counted(span.rejects, 'reject')}" if span.rejects else ""
    return f"span {span.span}: {human_size(span.bytes_out)}{rows}{rejects}, {job_text.duration(span.seconds)}"


def _text(text: str) -> str:
    return escape(text)
