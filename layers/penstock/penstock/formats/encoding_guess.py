"""Guess the encoding of a text from its bytes, with the evidence. Only the command guesses: a route says its encoding.

The rules are few and plain: what decides is told, and so is what could as well be another encoding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from penstock.formats.encoding import encoding_of, unmarked, whole_characters
from penstock.model.wording import counted

_UTF8 = "utf-8"
# In order of preference. Latin-1 is not among them: where it differs from cp1252, it has control characters.
_ONE_BYTE = ("cp1252", "iso8859-15", "cp1250", "cp437", "cp850")
_ASIAN = ("cp932", "gb18030", "big5", "cp949")
# Characters of Asian scripts, and their punctuation.
_WIDE = re.compile("[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uff60]")
# A byte between letters: inside a word.
_IN_WORD = re.compile(rb"(?<=[A-Za-z])[\x80-\xff](?=[A-Za-z])")
_HIGH = re.compile(rb"[\x80-\xff]")
_FIRST_OF_UTF8 = re.compile(rb"[\xc0-\xff]")
_RUNS = re.compile(rb"[\x80-\xff]+")
_HIGH_TEXT = re.compile("[^\x00-\x7f]")
# The letters of the languages that are written in each encoding. Any other letter in a word speaks against it.
_WESTERN = frozenset("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœŠšŽžŸ")
_CENTRAL = frozenset("ÁÂĂÄĆČĎĐÉĘËĚÍÎŁŃŇÓÔŐÖŔŘŚŞŠŤŢŮÚŰÜÝŹŻŽßáâăäąĄćčďđéęëěíîłńňóôőöŕřśşšťţůúűüýźżžĹĺĽľ")
# Of ISO 8859-15, only the euro sign tells it from cp1252: its letters in the place of accents and fractions are rare.
_LETTERS = {
    "cp1252": _WESTERN,
    "iso8859-15": _WESTERN - frozenset("ŒœŠšŽžŸ"),
    "cp1250": _CENTRAL,
    "cp437": _WESTERN,
    "cp850": _WESTERN,
}
_CP1252 = bytes(range(0x80, 0x100)).decode("cp1252", "ignore")
# Signs that texts use outside words. Box drawings and the like are none, nor is the general currency sign.
_SIGNS = frozenset("ªº" + "".join(each for each in _CP1252 if not each.isalpha())) - {"¤"}
# A guess must explain most of the bytes, and the next one clearly less of them.
_GOOD, _CLEAR = 0.9, 0.02
# Bytes beyond ASCII in a row. In words of European languages, they are mostly alone.
_LONG_RUNS = 1.5


class EncodingGuess(NamedTuple):
    """``evidence`` says what decided. ``others``: encodings that explain the text as well."""

    name: str
    evidence: str
    others: tuple[str, ...] = ()


def guess_encoding(head: bytes) -> EncodingGuess:
    """Guess the encoding of a source that starts with these bytes; the more, the better."""
    marked = encoding_of(head, _UTF8)
    if marked.mark:
        return EncodingGuess(marked.name, f"begins with the byte order mark of {marked.name}")
    if wide := unmarked(head):
        return EncodingGuess(wide, f"every ASCII character has the zeros of {wide}")
    high = len(_HIGH.findall(head))
    if not high:
        return EncodingGuess(_UTF8, "only ASCII, which nearly all encodings read alike")
    try:
        head[: whole_characters(head)].decode(_UTF8)
    except UnicodeDecodeError as error:
        return _of_bytes(head, f"not UTF-8 at byte {error.start:,}")
    beyond = len(_FIRST_OF_UTF8.findall(head))
    return EncodingGuess(_UTF8, f"{counted(beyond, 'character')} beyond ASCII, all of them valid UTF-8")


@dataclass(frozen=True, slots=True)
class _Fit:
    """How well an encoding explains a text: the share of its bytes beyond ASCII that make sense."""

    name: str
    share: float
    text: str


def _of_bytes(head: bytes, why: str) -> EncodingGuess:
    """Guess among encodings that are not Unicode. ``why``: the text is not UTF-8."""
    asian = sorted(filter(None, (_asian(name, head) for name in _ASIAN)), key=lambda fit: -fit.share)
    fits = sorted((_one_byte(name, head) for name in _ONE_BYTE), key=lambda fit: -fit.share)
    if asian and asian[0].share > _GOOD and _is_of_runs(head):
        fits = asian
    best = fits[0]
    others = tuple(fit.name for fit in fits[1:] if fit.share >= best.share - _CLEAR and fit.text != best.text)
    if best.share < _GOOD:
        return EncodingGuess("latin-1", f"{why}; no other encoding explains it: undecided", tuple(f.name for f in fits))
    seen = "".join(dict.fromkeys(_HIGH_TEXT.findall(best.text)))[:12]
    evidence = f"{why}; in {best.name} its bytes are {seen}"
    if others:
        evidence += f"; undecided: {' and '.join(others)} would do as well"
    return EncodingGuess(best.name, evidence, others)


def _is_of_runs(head: bytes) -> bool:
    """Return whether bytes beyond ASCII come together, as in texts whose characters all have several bytes."""
    return len(_HIGH.findall(head)) >= _LONG_RUNS * len(_RUNS.findall(head))


def _one_byte(name: str, head: bytes) -> _Fit:
    """Count letters of its languages inside words, and letters and signs elsewhere. What it lacks counts against it."""
    text = head.decode(name, "replace")
    letters = _LETTERS[name]
    inside = {found.start() for found in _IN_WORD.finditer(head)}
    good = total = 0
    for found in _HIGH.finditer(head):
        at = found.start()
        # A byte in a word says more than one at its border, which may be a sign.
        weight = 4 if at in inside else 1
        total += weight
        good += weight * (text[at] in letters or (at not in inside and text[at] in _SIGNS))
    return _Fit(name, good / total, text)


def _asian(name: str, head: bytes) -> _Fit | None:
    """Count characters of Asian scripts; None if the bytes are not of this encoding."""
    try:
        text = head.decode(name)
    except UnicodeDecodeError as error:
        if error.end < len(head) - 3:
            return None
        text = head[: error.start].decode(name)
    beyond = _HIGH_TEXT.findall(text)
    return _Fit(name, len(_WIDE.findall(text)) / len(beyond), text) if beyond else None
