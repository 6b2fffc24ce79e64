"""A table of bird sightings as a CSV: 300,000 rows are 40 MB. Made up; the same bytes on every machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

SEED = 11
EDITION = 1  # raise it when the bytes change, so that cached files are made anew

HEADER = "id,seen_at,reported_on,place,birds,latitude,longitude,distance,wind,rare,note\n"
DDL = """
CREATE TABLE sightings (
  id bigint, seen_at timestamptz, reported_on date, place text, birds bigint, latitude double precision,
  longitude double precision, distance numeric, wind numeric, rare boolean, note text)
"""

PLACES = ("Camargue", "Lake Constance", "Texel", "Zürichsee", "Coto de Doñana", "Hortobágy", "Spurn Head", "Falsterbo")
SPECIES = ("lapwing", "black-tailed godwit", "bittern", "reed warbler", "marsh harrier", "spoonbill", "little egret")
DOINGS = ("resting", "feeding", "in flight, heading south", 'calling, "very near"', "with three young")


def sample(rows: int, folder: Path) -> Path:
    """The file, made if it is not there."""
    path = folder / f"sightings-{EDITION}-{rows}.csv"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".tmp")
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            file.writelines(lines(rows))
        unfinished.rename(path)
    return path


def lines(rows: int) -> Iterator[str]:
    rng = Random(SEED)
    yield HEADER
    for number in range(1, rows + 1):
        yield line(number, rng)


def line(number: int, rng: Random) -> str:
    def pick(values: tuple[str, ...]) -> str:
        return values[int(rng.random() * len(values))]

    day = f"20{10 + int(rng.random() * 14)}-{1 + int(rng.random() * 12):02}-{1 + int(rng.random() * 28):02}"
    doing = pick(DOINGS)
    note = f"{1 + int(rng.random() * 90)} or more {pick(SPECIES)}s {doing}"
    if "," in doing:
        note = '"' + note.replace('"', '""') + '"'
    wind = "" if rng.random() < 0.1 else f"{rng.random() * 30:.1f}"
    return (
        f"{number},{day}T{int(rng.random() * 24):02}:{int(rng.random() * 60):02}:00Z,{day},{pick(PLACES)},"
        f"{1 + int(rng.random() * 90)},{40 + rng.random() * 16:.6f},{-6 + rng.random() * 28:.6f},"
        f"{rng.random() * 5:.2f},{wind},{'true' if rng.random() < 0.02 else 'false'},{note}\n"
    )
