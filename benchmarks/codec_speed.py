"""Decoding speed of every codec, in GB/s of output and CPU time: python -m benchmarks.codec_speed [--mib 256] [FILE].

FILE is decoded by its own codec alone. Otherwise the data is CSV of random rows. Each codec gets chunks the size of a
ranged GET and yields steps as the pipeline asks for them; the best of three runs counts.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import lzma
import random
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import zstandard
from inflate64 import Deflater

from penstock.archives.zip import deflate64, lzma1
from penstock.codecs import CODECS, HEAD, Trace, choose
from penstock.codecs.engine import ISAL, ZLIB
from penstock.codecs.gzip import decode as gzip_codec
from penstock.limits import KIB, MIB, MIN_WINDOW

CITIES = ("Los Angeles", "Houston", "Miami", "Charlotte", "Dallas", "Baton Rouge", "Sacramento", "Nashville")
WEATHER = ("Fair", "Cloudy", "Mostly Cloudy", "Light Rain", "Overcast", "Clear", "Haze")

Decode = Callable[[Iterable[bytes], Trace, int], Iterator[bytes]]
# Name, decoder, encoded bytes, and how many bytes they decode to.
Case = tuple[str, Decode, bytes, int]


def rows(size: int) -> bytes:
    rng = random.Random(7)
    lines: list[str] = []
    length = 0
    while length < size:
        day, hour = rng.randint(1, 28), rng.randint(0, 23)
        line = (
            f"A-{len(lines)},Source{rng.randint(1, 3)},{rng.randint(1, 4)},2021-06-{day:02} {hour:02}:00:00,"
            f"{25 + rng.random() * 20:.6f},{-120 + rng.random() * 45:.6f},{rng.random():.6f},,{rng.random():.2f},"
            f"Accident on I-{rng.randint(1, 99)} near Exit {rng.randint(1, 300)}. Expect delays.,"
            f"{rng.choice(CITIES)},US,US/Pacific,{rng.randint(20, 99)}.0,29.{rng.randint(10, 99)},10.0,SW,"
            f"{rng.choice(WEATHER)},False,False,False,False,True,False,False,False,True,False,Day,Day,Day,Night\n"
        )
        lines.append(line)
        length += len(line)
    return "".join(lines).encode()


def measure(decode: Decode, encoded: bytes, size: int, *, chunk: int, step: int) -> float:
    best = float("inf")
    for _ in range(3):
        chunks = (encoded[at : at + chunk] for at in range(0, len(encoded), chunk))
        started = time.process_time()
        decoded = sum(map(len, decode(chunks, Trace(), step)))
        best = min(best, time.process_time() - started)
        assert decoded == size
    return size / best / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mib", type=int, default=256, help="decoded MiB for the fast codecs; bzip2 and xz take 1/8")
    parser.add_argument("file", nargs="?", type=Path, help="an encoded file to measure instead")
    options = parser.parse_args()
    report([case_of(options.file)] if options.file else cases_of(options.mib))


def case_of(file: Path) -> Case:
    encoded = file.read_bytes()
    codec = choose(encoded[:HEAD], file.name)
    return codec.name, codec.decode, encoded, sum(map(len, codec.decode([encoded], Trace(), 256 * KIB)))


def cases_of(mib: int) -> list[Case]:
    data = rows(mib * MIB)
    slice_ = data[: len(data) // 8]
    block = 65_280  # BGZF's
    blocks = b"".join(gzip.compress(data[at : at + block], 6) for at in range(0, len(data), block))
    one = gzip.compress(data, 6)
    cases: list[Case] = []
    for name, engine in (("isal", ISAL), ("zlib", ZLIB)):
        if engine:
            decode: Decode = partial(gzip_codec.decode, engine=engine)
            cases += [
                (f"gzip, {name}", decode, one, len(data)),
                (f"gzip, {name}, members of 64 KiB", decode, blocks, len(data)),
            ]
    cases += [
        ("zstd -3", CODECS["zstd"].decode, zstandard.ZstdCompressor(3, write_checksum=True).compress(data), len(data)),
        ("bzip2 -9", CODECS["bzip2"].decode, bz2.compress(slice_), len(slice_)),
        ("xz -6", CODECS["xz"].decode, lzma.compress(slice_, preset=6), len(slice_)),
        ("LZMA of zip", partial(lzma1.decode, window=MIN_WINDOW, size=len(slice_)), lzma_of_zip(slice_), len(slice_)),
        ("Deflate64 of zip", deflate64.decode, deflate64_of_zip(slice_), len(slice_)),
        ("identity", CODECS["identity"].decode, data, len(data)),
    ]
    return cases


def lzma_of_zip(data: bytes) -> bytes:
    stream = lzma.compress(data, lzma.FORMAT_ALONE)
    return b"\x09\x14\x05\x00" + stream[:5] + stream[13:]


def deflate64_of_zip(data: bytes) -> bytes:
    deflater = Deflater()
    return bytes(deflater.deflate(data) + deflater.flush())


def report(cases: Iterable[Case]) -> None:
    print(f"{'codec':32} {'ratio':>6} {'chunk':>8} {'step':>8} {'GB/s out':>9}")
    for name, decode, encoded, size in cases:
        for chunk in (64 * KIB, 2 * MIB, 8 * MIB):
            step = 256 * KIB
            rate = measure(decode, encoded, size, chunk=chunk, step=step)
            ratio = size / len(encoded)
            print(f"{name:32} {ratio:6.1f} {chunk // KIB:>4} KiB {step // KIB:>4} KiB {rate:9.3f}", flush=True)


if __name__ == "__main__":
    main()
