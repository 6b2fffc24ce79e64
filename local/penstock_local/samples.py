"""Sample files for the demo and the benchmarks: random content with the form and size of a real table.

``accidents`` has the form of the US-accidents table, with which many pipelines are tested: 44 columns, one of them free
text with commas and quotes, about 370 bytes per row, 65 after gzip. The same seed gives the same bytes on every machine
and Python version: only ``random()`` of the random module is used, because its sequence is guaranteed.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random

SEED = 2023
BLOCK_ROWS = 2000
EDITION = 1  # increase it when the bytes change, so that cached files are created again

COLUMNS = (
    "ID,Source,Severity,Start_Time,End_Time,Start_Lat,Start_Lng,Distance(mi),Description,Street,City,County,State,"
    "Zipcode,Country,Timezone,Airport_Code,Weather_Timestamp,Temperature(F),Wind_Chill(F),Humidity(%),Pressure(in),"
    "Visibility(mi),Wind_Direction,Wind_Speed(mph),Precipitation(in),Weather_Condition,Amenity,Bump,Crossing,Give_Way,"
    "Junction,No_Exit,Railway,Roundabout,Station,Stop,Traffic_Calming,Traffic_Signal,Turning_Loop,Sunrise_Sunset,"
    "Civil_Twilight,Nautical_Twilight,Astronomical_Twilight"
)
STATES = (
    ("CA", "US/Pacific", 34, -118),
    ("TX", "US/Central", 30, -97),
    ("FL", "US/Eastern", 27, -81),
    ("NY", "US/Eastern", 41, -74),
    ("OH", "US/Eastern", 40, -82),
    ("AZ", "US/Mountain", 33, -112),
    ("MN", "US/Central", 45, -93),
    ("OR", "US/Pacific", 45, -122),
    ("VA", "US/Eastern", 37, -77),
    ("SC", "US/Eastern", 34, -81),
)
STEMS = ("Spring", "Oak", "River", "Mill", "Fair", "Green", "Cedar", "Lake", "Wood", "Stone", "Ash", "Clear")
ENDINGS = ("field", "ville", "ton", "view", "brook", "dale", "port", "wood", "land", "burg")
STREETS = ("Main St", "Lincoln Ave", "Old Mill Rd", "W Sunset Blvd", "County Road {}", "State Route {}", "{}th St")
ROADS = ("I-{} N", "I-{} S", "I-{} E", "I-{} W", "US-{} N", "US-{} S", "State Hwy {}", "Pkwy {}")
TEXTS = (
    "Accident on {road} at {street}.",
    "Right lane blocked due to accident on {road} at Exit {exit}.",
    "Two lanes blocked and queueing traffic due to accident on {road} before {street}.",
    "Incident on {road} near {street} Drive with caution.",
    "Slow traffic on {road} from {street} to Exit {exit}.",
    "Stationary traffic due to serious accident on {road} at Exits {exit} {street}.",
    "At {street} - Accident.",
    '"Accident on {road}, {street} at Exit {exit}. Expect delays, use other routes."',
    '"Restrictions due to accident on {road} at ""{street}"" rest area, milepost {exit}."',
    '"Crash, right shoulder: {road}, northbound, {street}."',
)
WEATHER = ("Fair", "Cloudy", "Mostly Cloudy", "Partly Cloudy", "Light Rain", "Overcast", "Clear", "Fog", "Light Snow")
WINDS = ("CALM", "N", "NNE", "E", "SE", "S", "SSW", "SW", "W", "WNW", "NW", "VAR")
LIGHT = ("Day,Day,Day,Day", "Day,Day,Day,Day", "Night,Day,Day,Day", "Night,Night,Night,Day", "Night,Night,Night,Night")


def accidents(rows: int = 1_000_000, *, seed: int = SEED) -> Iterator[bytes]:
    """The table as CSV in blocks of complete lines, header first."""
    random = Random(seed).random

    def draw(bound: int) -> int:
        return int(random() * bound)

    locations = [_location(draw) for _ in range(8_000)]
    texts = [_text(draw) for _ in range(4_000)]
    weather = [_weather(draw) for _ in range(4_000)]
    flags = [_flags(draw) for _ in range(200)]
    days = [f"20{y}-{m:02}-{d:02} " for y in (21, 22, 23) for m in range(1, 13) for d in range(1, 29)]
    minutes = [f"{hour:02}:{minute:02}:" for hour in range(24) for minute in range(60)]

    def row(number: int) -> str:
        # Rows are in order of time. Products of draws: as in real data, a few locations and weathers have most rows.
        day, minute, second = days[number // 1000 % len(days)], int(random() * 1300), max(0, int(random() * 160) - 100)
        north, west, address = locations[(number // 25 + int(random() * random() * random() * 1_000)) % len(locations)]
        return (
            f"A-{number},Source{1 + int(random() * 1.7)},{2 + int(random() * 1.4)},"
            f"{day}{minutes[minute]}{second:02},{day}{minutes[minute + 29 + int(random() * 100)]}{second:02},"
            f"{north}{int(random() * 1e6):06},{west}{int(random() * 1e6):06},0.{max(0, int(random() * 1400) - 900):03},"
            f"{texts[int(random() * random() * random() * 4_000)]},{address},{day}{minutes[minute]}00,"
            f"{weather[(number // 25 + int(random() * random() * random() * 800)) % len(weather)]},"
            f"{flags[int(random() * random() * random() * 200)]}\n"
        )

    yield (COLUMNS + "\n").encode()
    for start in range(1, rows + 1, BLOCK_ROWS):
        yield "".join(map(row, range(start, min(start + BLOCK_ROWS, rows + 1)))).encode()


def _location(draw: Callable[[int], int]) -> tuple[str, str, str]:
    state, zone, north, west = STATES[draw(len(STATES))]
    city = STEMS[draw(len(STEMS))] + ENDINGS[draw(len(ENDINGS))]
    county = STEMS[draw(len(STEMS))] + ENDINGS[draw(len(ENDINGS))]
    post = f"{10_000 + draw(80_000)}-{draw(10_000):04}" if draw(3) else f"{10_000 + draw(80_000)}"
    airport = "K" + "".join(chr(ord("A") + draw(26)) for _ in range(3))
    address = f"{_street(draw)},{city},{county},{state},{post},US,{zone},{airport}"
    return f"{north + draw(3)}.", f"{west - draw(3)}.", address


def _street(draw: Callable[[int], int]) -> str:
    return STREETS[draw(len(STREETS))].format(1 + draw(300))


def _text(draw: Callable[[int], int]) -> str:
    road = ROADS[draw(len(ROADS))].format(1 + draw(99))
    return TEXTS[draw(len(TEXTS))].format(road=road, street=_street(draw), exit=1 + draw(400))


def _weather(draw: Callable[[int], int]) -> str:
    degrees, calm = 10 + draw(90), draw(5) == 0
    wind = "CALM,0.0" if calm else f"{WINDS[1 + draw(len(WINDS) - 1)]},{3 + draw(25)}.0"
    rain = "" if draw(4) == 0 else f"0.{draw(3) * draw(30):02}"
    return (
        f"{degrees}.0,{degrees - draw(6)}.0,{20 + draw(80)}.0,{28 + draw(3)}.{draw(100):02},"
        f"{1 + draw(10)}.0,{wind},{rain},{WEATHER[draw(len(WEATHER))]}"
    )


def _flags(draw: Callable[[int], int]) -> str:
    return ",".join("False" if draw(12) else "True" for _ in range(13)) + "," + LIGHT[draw(len(LIGHT))]


def write_gzip(path: Path, chunks: Iterable[bytes]) -> None:
    """Write ``chunks`` as one gzip member: level 6, without a name or a time in the header."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(deflate.compress(chunk))
        file.write(deflate.flush())


def cached(name: str, rows: int, directory: Path) -> Path:
    """The ``accidents`` table with ``rows`` rows as a .csv.gz in ``directory``, created if it is missing."""
    path = directory / f"{name}-{EDITION}-{rows}.csv.gz"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(f".{os.getpid()}")
        write_gzip(partial, accidents(rows))
        partial.replace(path)
    return path
