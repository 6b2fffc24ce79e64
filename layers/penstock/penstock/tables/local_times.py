"""Local times, and what they are in UTC: a zone's clock shows some times twice, and others never."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from penstock.model.value_rules import Fold
from penstock.tables.column_kinds import shown

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

# Days to remember: forty years.
REMEMBERED = 16_384


@cache
def zone_of(name: str) -> ZoneInfo:
    """The zone of a name such as Europe/Berlin. Raises ValueError or KeyError if there is none."""
    from zoneinfo import ZoneInfo  # noqa: PLC0415  # 15 ms of a cold start, and few routes name a zone

    return ZoneInfo(name)


def zone_names() -> list[str]:
    """The names of all zones."""
    from zoneinfo import available_timezones  # noqa: PLC0415  # as above

    return sorted(available_timezones())


class LocalTimes:
    """Reads times of a zone's clock."""

    def __init__(self, zone: str, fold: Fold) -> None:
        self.name = zone
        self.zone = zone_of(zone)
        self.fold = fold
        self.offsets: dict[str, str] = _Offsets(self.zone)

    def moment(self, local: datetime, text: str) -> datetime:
        """The moment, with its offset. Raises ValueError with a reject's reason."""
        first, second = (local.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1))
        before, after = first.utcoffset() or timedelta(), second.utcoffset() or timedelta()
        if before < after:
            raise ValueError(f"{shown(text)} does not exist in {self.name}: the clock is set forward from before it")
        if before == after or self.fold is Fold.EARLIER:
            return first
        if self.fold is Fold.LATER:
            return second
        raise ValueError(f"{shown(text)} occurs twice in {self.name}: set the column's fold to earlier or later")

    def all(self, texts: Sequence[str]) -> list[str] | None:
        """ISO 8601 of these times, which have a day and a clock, but no zone, with their offsets. None if one of them
        is no such time."""
        offsets = self.offsets
        try:
            if all(map(offsets.__getitem__, {text[:10] for text in texts})):
                return [text + offsets[text[:10]] for text in texts]
            return [text + offset if (offset := offsets[text[:10]]) else self._one(text) for text in texts]
        except (ValueError, OverflowError):
            return None

    def _one(self, text: str) -> str:
        return iso(self.moment(datetime.fromisoformat(text), text))


class _Offsets(dict[str, str]):
    """The offsets of days; none of days on which the clock is changed."""

    def __init__(self, zone: ZoneInfo) -> None:
        super().__init__()
        self.zone = zone

    def __missing__(self, day: str) -> str:
        if len(self) >= REMEMBERED:
            self.clear()
        start = datetime.fromisoformat(day).replace(tzinfo=self.zone)
        # No zone ever changed its clock twice within two days: the ends of a day show whether it is changed on it.
        ends = (start, start + timedelta(days=1))
        found = {end.replace(fold=fold).utcoffset() for end in ends for fold in (0, 1)}
        seconds = start.strftime("%z")
        is_regular = len(found) == 1 and len(seconds) == len("+0000")
        offset = self[day] = f"{seconds[:3]}:{seconds[3:]}" if is_regular else ""
        return offset


def iso(moment: datetime) -> str:
    """A moment as every kind reads it. Raises ValueError."""
    offset = moment.utcoffset()
    if offset and offset % timedelta(minutes=1):
        try:
            moment = moment.astimezone(UTC)
        except OverflowError:
            raise ValueError(f"{shown(moment.isoformat())} is in a year that does not exist in UTC") from None
    return moment.isoformat()
