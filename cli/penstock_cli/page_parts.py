"""The frame and the parts of reports: HTML without scripts, and without requests.

Names of sources and raw records are foreign text. Every text is escaped by `text`, and the policy of the page also
forbids scripts and requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib import resources
from string import Template

from penstock_cli import job_text


def document(title: str, parts: Iterable[str]) -> str:
    """Return the whole page; empty parts are left out."""
    template = Template(resources.files("penstock_cli").joinpath("report.html").read_text("utf-8"))
    return template.substitute(title=text(title), body="\n".join(part for part in parts if part))


def text(value: object) -> str:
    """Escape any text for HTML."""
    return escape(job_text.one_line(str(value)))


def section(title: str, inner: str, *, kind: str = "") -> str:
    """Return a section with a heading. ``inner`` is HTML; the rest is text, here and below."""
    return f'<section class="{kind}"><h2>{text(title)}</h2>{inner}</section>'


def listed(rows: Iterable[tuple[str, str]]) -> str:
    """Return names and values."""
    pairs = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in rows)
    return f'<dl class="facts">{pairs}</dl>'


@dataclass(frozen=True, slots=True)
class Measure:
    """A cell with a bar: ``share`` of the longest, 0 to 1. ``kind`` is the class of the bar."""

    shown: str
    share: float
    kind: str

    @property
    def html(self) -> str:
        """Return the content of the cell."""
        bar = f'<rect class="{self.kind}" width="{max(self.share, 0.01):.1%}" height="6"/>'
        return f'{text(self.shown)}<svg height="6" aria-hidden="true">{bar}</svg>'


def table(
    head: Sequence[str], rows: Iterable[Sequence[str | Measure]], *, numbers: Iterable[int], raw: int = -1
) -> str:
    """Return a table. ``numbers`` are the columns of numbers, ``raw`` that of a record as it was sent."""
    kinds = {**dict.fromkeys(numbers, "number"), raw: "raw"}

    def cell(number: int, content: str | Measure) -> str:
        if isinstance(content, Measure):
            return f'<td class="measure">{content.html}</td>'
        return f'<td class="{kinds.get(number, "")}">{text(content)}</td>'

    lines = "".join(f"<tr>{''.join(cell(*each) for each in enumerate(row))}</tr>" for row in rows)
    heads = "".join(
        f'<th class="{"number" if kinds.get(n) == "number" else ""}">{text(c)}</th>' for n, c in enumerate(head)
    )
    return f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'
