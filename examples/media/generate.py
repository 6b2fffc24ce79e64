"""Write sample files of typed records: examples/media/generate.py FOLDER [--files N] [--records M] [--seed S]."""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path

WORDS = ("Blue", "Night", "River", "Paper", "Glass", "Silent", "Winter", "Café", "Ænima", "1984", "Road", "Echo")
SIGNS = ("", "!", "?", ": Part II", " & Sons", " (Live)", " - Remix")


def media_files(files: int, records: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Name and content of ``files`` JSON files with ``records`` typed records each. The seed determines the content."""
    source = random.Random(seed)
    for number in range(files):
        rows = [_record(source) for _ in range(records)]
        yield f"media/{number:05d}.json", json.dumps(rows, ensure_ascii=False).encode()


def _record(source: random.Random) -> dict[str, object]:
    kind = source.choice(("song", "movie", "app"))
    title = " ".join(source.sample(WORDS, source.randint(1, 4))) + source.choice(SIGNS)
    if kind == "song":
        data: dict[str, object] = {
            "artist_name": " ".join(source.sample(WORDS, 2)),
            "title": title,
            "year": source.randint(1950, 2026),
            "release": source.choice(WORDS),
        }
    elif kind == "movie":
        data = {
            "original_title": title,
            "original_language": source.choice(("en", "de", "fr", "ja")),
            "budget": source.randrange(0, 300_000_000, 5_000),
            "is_adult": source.random() < 0.05,
            "release_date": f"{source.randint(1950, 2026)}-{source.randint(1, 12):02d}-{source.randint(1, 28):02d}",
        }
    else:
        data = {
            "name": title,
            "genre": source.choice(("Games", "Music", "Finance")),
            "rating": round(source.uniform(1, 5), 1),
            "version": f"{source.randint(1, 9)}.{source.randint(0, 20)}.{source.randint(0, 99)}",
            "size_bytes": source.randint(10_000, 4_000_000_000),
        }
    return {"type": kind, "data": data}


def main() -> None:
    parser = argparse.ArgumentParser(description="Write sample files of typed media records.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--records", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    for name, content in media_files(options.files, options.records, options.seed):
        path = options.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


if __name__ == "__main__":
    main()
