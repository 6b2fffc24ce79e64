"""What `penstock check` says: lines, or JSON."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from penstock.model.wording import counted
from penstock_cli import job_text
from penstock_cli.output import Safe
from penstock_cli.params import human_size
from penstock_cli.table import aligned

if TYPE_CHECKING:
    from collections.abc import Iterator

    from penstock.model.record import Reject
    from penstock.source_check.column_profile import ColumnProfile
    from penstock.source_check.report import SourceCheck
    from penstock.source_check.table_profile import TableProfile

# Characters of a value, and of a raw record.
VALUE, RAW = 30, 60
# The reasons that are shown.
REASONS = 10


def lines_of(found: SourceCheck) -> list[str]:
    """Return the report."""
    receipt = found.receipt
    about = [f"{human_size(receipt.bytes_in)} of {receipt.codec}"] if receipt.codec != "identity" else []
    about += [human_size(receipt.bytes_out), str(found.parse.format), f"{found.seconds:.1f} s"]
    records = counted(receipt.rows + receipt.rejects, "record")
    lines: list[str] = [f"check: {found.source} ({', '.join(about)}): {records}, {receipt.rejects:,} rejected"]
    lines += [f"warning: {warning}" for warning in found.warnings]
    lines += [f"a load would add or widen the column {name}" for name in found.added]
    for table in found.tables:
        lines += ["", _headline(table, found), *_columns(table), *_keys(table)]
    if found.rejects.reasons:
        lines += ["", "Reasons of rejects", *_reasons(found)]
    if found.rejects.first:
        lines += ["", _first(found), *_rejects(found.rejects.first)]
    return [*lines, "", _verdict(found)]


def _verdict(found: SourceCheck) -> str:
    if found.passed_limit:
        return f"A load would fail: {counted(found.receipt.rejects, 'reject')}, but the limit is {found.passed_limit}."
    return "A load would succeed" + ("." if found.has_tables else ", as far as can be told without the table.")


def _headline(table: TableProfile, found: SourceCheck) -> str:
    state = ""
    if found.has_tables:
        state = ", compared with the table" if table.exists else ": the load creates the table"
    return f"{table.name}: {counted(table.rows, 'row')}{state}"


def _columns(table: TableProfile) -> list[Safe]:
    rows = [("  column", "type", "nulls", "smallest", "largest", "distinct")]
    for column in table.columns.values():
        nulls = table.rows - column.present
        share = f"{nulls / table.rows:.1%}" if nulls and table.rows else "0"
        name = f"  {job_text.one_line(column.name)}"
        rows.append((name, str(column.type), share, *_range(column), _distinct(column)))
    return aligned(rows, right={2, 5})


def _range(column: ColumnProfile) -> tuple[str, str]:
    return _short(column.least), _short(column.most)


def _short(value: Any) -> str:
    if value is None:
        return ""
    text = job_text.one_line(_text(value))
    return text if len(text) <= VALUE else f"{text[: VALUE - 3]}..."


def _distinct(column: ColumnProfile) -> str:
    if column.distinct is None:
        return ""
    return f"{column.distinct:,}" if column.is_exact else f"~{column.distinct:,}"


def _keys(table: TableProfile) -> Iterator[str]:
    for watch, what in [(table.key, "the last row of each wins"), *((one, "rejected") for one in table.unique)]:
        if watch:
            names = ", ".join(watch.columns)
            whole = "" if watch.is_whole else f" of the first {watch.checked:,}"
            yield f"  key ({names}): {counted(watch.repeats, 'row')}{whole} with a key that came before ({what})"


def _reasons(found: SourceCheck) -> list[Safe]:
    top = found.rejects.reasons.most_common(REASONS)
    rows = [(f"  {count:,}", job_text.one_line(column), job_text.one_line(reason)) for (column, reason), count in top]
    return aligned(rows, right={0})


def _first(found: SourceCheck) -> str:
    shown, all_of = len(found.rejects.first), found.receipt.rejects
    return "Rejects" if shown == all_of else f"The first {shown:,} of {counted(all_of, 'reject')}"


def _rejects(first: list[Reject]) -> list[Safe]:
    rows = [("  row", "byte", "column", "reason", "record")]
    for reject in first:
        at = reject.position
        rows.append(
            (
                f"  {at.row:,}",
                f"{at.offset:,}",
                job_text.one_line(reject.column),
                job_text.one_line(reject.reason),
                job_text.one_line(at.raw[:RAW]),
            )
        )
    return aligned(rows, right={0, 1})


def as_json(found: SourceCheck) -> dict[str, object]:
    """Return the report as a value for `json`."""
    receipt = found.receipt
    return {
        "source": found.source,
        "target": found.target,
        "format": found.parse.format,
        "codec": receipt.codec,
        "bytes_in": receipt.bytes_in,
        "bytes_out": receipt.bytes_out,
        "records": receipt.rows + receipt.rejects,
        "rows": receipt.rows,
        "rejects": receipt.rejects,
        "fails": bool(found.passed_limit),
        "limit": found.passed_limit or None,
        "table_read": found.has_tables,
        "tables": [_table(table) for table in found.tables],
        "added": found.added,
        "reasons": [
            {"column": column, "reason": reason, "count": count}
            for (column, reason), count in found.rejects.reasons.most_common()
        ],
        "first_rejects": [reject.flat for reject in found.rejects.first],
        "warnings": found.warnings,
        "seconds": round(found.seconds, 3),
    }


def _table(table: TableProfile) -> dict[str, object]:
    watches = [*([table.key] if table.key else []), *table.unique]
    return {
        "name": table.name,
        "exists": table.exists,
        "rows": table.rows,
        "columns": [
            {
                "name": column.name,
                "type": column.type,
                "nulls": table.rows - column.present,
                "least": _value(column.least),
                "most": _value(column.most),
                "longest": column.longest or None,
                "distinct": column.distinct,
                "distinct_exact": column.is_exact,
            }
            for column in table.columns.values()
        ],
        "keys": [
            {"columns": each.columns, "repeats": each.repeats, "rows": each.checked, "unique": each is not table.key}
            for each in watches
        ],
    }


def _value(value: Any) -> object:
    """Numbers keep all their digits: those that JSON's readers would round are texts."""
    return value if value is None or isinstance(value, bool | int | str) else _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return value.isoformat()
    return f"{value:f}" if isinstance(value, Decimal) and abs(value.adjusted()) < VALUE else str(value)
