"""Guess the encoding of a text from its bytes, with the evidence. Only the command guesses: a route says its encoding.

The rules are few and plain: what decides is told, and so is what could as well be another encoding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

from penstock.formats.encoding import encoding_of, unmarked, whole_characters
from penstock.formats.encoding_letters import COMMON_CODES, ONE_BYTE, SIGNS, Alphabet, is_common
from penstock.model.wording import counted

_UTF8 = "utf-8"
_HIGH = re.compile(rb"[\x80-\xff]")
_FIRST_OF_UTF8 = re.compile(rb"[\xc0-\xff]")
# Letters, and what may be letters.
_WORD = re.compile(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*")
# Characters of Asian scripts, and their punctuation.
_WIDE = re.compile("[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uff00-\uff60]")
# Those that are written in words.
_WIDE_LETTER = re.compile("[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af]")
# Characters beyond ASCII in a row, with the ASCII letters that touch them.
_HIGH_WORD = re.compile("([A-Za-z]?)([^\x00-\x7f]+)([A-Za-z]?)")
# A part of a word that is read as Asian characters by mistake.
_PART = re.compile("[A-Za-z][^A-Za-z]|[^A-Za-z][A-Za-z]|[a-z]?[^A-Za-z]{1,2}[a-z]|[a-z][^A-Za-z]{1,2}[a-z]?")
# Words that are looked at, and how many different ones.
_WORDS, _DISTINCT = 200_000, 20_000
# A guess must explain most of the bytes, and the next one clearly less of them.
_GOOD, _CLEAR = 0.9, 0.02
# Words of Latin letters hold ASCII letters, unless they are short.
_SHORT = 3
# Two letters of a European language in a row read as one Asian character. So these decide only in words of more than
# one character, and if so many are different.
_DIFFERENT, _LONG_WORD = 5, 1.5
# The encodings that are named beside the guess.
_NAMED = 3


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
    """How well an encoding explains a text: the share of its letters beyond ASCII that make sense. ``seen``: those
    that it reads. ``is_sure``: False if the text is too short to tell."""

    name: str
    share: float
    seen: str
    is_sure: bool = True


def _of_bytes(head: bytes, why: str) -> EncodingGuess:
    """Guess among encodings that are not Unicode. ``why``: the text is not UTF-8."""
    words = list(dict.fromkeys(found[0] for found in islice(_WORD.finditer(head), _WORDS)))[:_DISTINCT]
    asian = [fit for fit in (_asian(name, head) for name in COMMON_CODES) if fit]
    one_byte = [_one_byte(name, alphabet, words) for name, alphabet in ONE_BYTE.items()]
    fits = [fit for fit in (*asian, *one_byte) if fit.share >= _GOOD]
    if not fits:
        others = tuple(fit.name for fit in sorted(one_byte, key=lambda fit: -fit.share)[:_NAMED])
        return EncodingGuess("latin-1", f"{why}; no other encoding explains it: undecided", others)
    fits.sort(key=lambda fit: (not fit.is_sure, -fit.share))
    best = fits[0]
    alike = {fit.seen: fit for fit in reversed(fits[1:]) if not fit.is_sure or fit.share >= best.share - _CLEAR}
    rivals = [fit for seen, fit in reversed(alike.items()) if seen != best.seen]
    evidence = f"{why}; in {best.name} its bytes are {best.seen[:12]}"
    if not best.is_sure and not rivals:
        evidence = f"undecided: few letters; {evidence}"
    if rivals:
        told = " and ".join(_told(fit, best) for fit in rivals[:_NAMED])
        evidence = f"undecided: {told} would do as well; {evidence}"
    return EncodingGuess(best.name, evidence, tuple(fit.name for fit in rivals))


def _told(fit: _Fit, best: _Fit) -> str:
    """Name another encoding, and what it reads instead."""
    if len(fit.seen) != len(best.seen):
        return f"{fit.name} ({fit.seen[:6]})"
    pairs = [(other, one) for other, one in zip(fit.seen, best.seen, strict=True) if other != one][:3]
    return f"{fit.name} ({', '.join(f'{other} for {one}' for other, one in pairs)})"


def _one_byte(name: str, alphabet: Alphabet, words: Sequence[bytes]) -> _Fit:
    """Count what makes sense of letters and signs, in different words."""
    texts = [word.decode(name, "replace") for word in words]
    good = total = 0
    for text in texts:
        counts = _judge(text, alphabet)
        good += counts[0]
        total += counts[1]
    share = good / total if total else 0.0
    if not alphabet.is_latin and share >= _GOOD:
        # Another alphabet, or the other case, has as many letters, but not the common ones.
        share *= min(1.0, 2 * alphabet.commonness("".join(texts)))
    return _Fit(name, share, _seen(texts))


def _judge(text: str, alphabet: Alphabet) -> tuple[int, int]:
    """Return the weight of the characters beyond ASCII in a word that make sense, and of all of them.

    A character between letters says more than one at the border of a word, which may be a sign.
    """
    high = [at for at, each in enumerate(text) if each > "\x7f"]
    if alphabet.is_latin:
        is_odd = len(high) == len(text) > _SHORT and all(each in alphabet.letters for each in text)
    else:
        is_odd = any(each.isalpha() for each in text if each <= "\x7f")
    if len(text) == 1 and text in alphabet.letters:
        return (1, 1) if alphabet.is_word(text) else (0, 0)
    good = total = 0
    for at in high:
        each = text[at]
        is_inside = 0 < at < len(text) - 1
        weight = 4 if is_inside else 1
        total += weight
        if each in alphabet.letters:
            is_cased = not (each.isupper() and at and text[at - 1].islower())
            good += weight * (is_cased and not is_odd)
        else:
            good += weight * (not is_inside and each in SIGNS)
    return good, total


def _asian(name: str, head: bytes) -> _Fit | None:
    """Count common characters of Asian scripts in different words; None if the bytes are not of this encoding."""
    try:
        text = head.decode(name)
    except UnicodeDecodeError as error:
        if error.end < len(head) - 3:
            return None
        text = head[: error.start].decode(name)
    words = list(dict.fromkeys(found.groups() for found in islice(_HIGH_WORD.finditer(text), _WORDS)))[:_DISTINCT]
    beyond = "".join(word for _, word, _ in words)
    read = _WIDE_LETTER.findall(beyond)
    if not read or len(_WIDE.findall(beyond)) < _GOOD * len(beyond):
        return None
    parts = sum(1 for word in words if _PART.fullmatch("".join(word)))
    if parts > (1 - _GOOD) * len(words):
        return None
    share = sum(is_common(each, name) for each in read) / len(read)
    is_sure = len(set(read)) >= _DIFFERENT and len(read) >= _LONG_WORD * len(words)
    return _Fit(name, share, _seen(read), is_sure)


def _seen(texts: Sequence[str]) -> str:
    """Return the different characters beyond ASCII."""
    return "".join(dict.fromkeys(each for text in texts for each in text if each > "\x7f"))
