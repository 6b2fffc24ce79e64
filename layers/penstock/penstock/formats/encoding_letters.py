"""What texts in each encoding are written with: the letters of its languages, and the characters that are common."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

# The letters of the languages that are written in each encoding. Any other letter in a word speaks against it.
_WESTERN = frozenset("ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜÝßàáâãäåæçèéêëìíîïñòóôõöøùúûüýÿŒœŠšŽžŸ")
_CENTRAL = frozenset("ÁÂĂÄĆČĎĐÉĘËĚÍÎŁŃŇÓÔŐÖŔŘŚŞŠŤŢŮÚŰÜÝŹŻŽßáâăäąĄćčďđéęëěíîłńňóôőöŕřśşšťţůúűüýźżžĹĺĽľ")
_TURKISH = (_WESTERN - frozenset("ÝýŽžŠš")) | frozenset("ĞğİıŞş")
_CYRILLIC = frozenset(map(chr, range(0x410, 0x450))) | frozenset("ЁёЂђЃѓЄєЅѕІіЇїЈјЉљЊњЋћЌќЎўЏџҐґ")
_GREEK = frozenset("ΆΈΉΊΌΎΏΐΪΫάέήίΰϊϋόύώ") | frozenset(map(chr, range(0x391, 0x3CA))) - {"\u03a2"}
_HEBREW = frozenset(map(chr, range(0x5D0, 0x5EB)))
# Letters that are words by themselves. Any other letter alone says nothing.
_ALONE = frozenset("ÀàÁáÉéÈèÍíÓóÒòÚúÔôÖöÅåÆæØø")
_PUNCTUATION = frozenset("ªº№" + bytes(range(0x80, 0x100)).decode("cp1252", "ignore"))
# Signs that texts use outside words. Box drawings and the like are none, nor is the general currency sign.
SIGNS = frozenset(each for each in _PUNCTUATION if each in "ªº№" or not each.isalpha()) - {"¤"}


@dataclass(frozen=True, slots=True)
class Alphabet:
    """``letters`` beyond ASCII. ``common``: those that are about two thirds of a text, without accents; empty if ASCII
    letters are in most words, too."""

    letters: frozenset[str]
    common: frozenset[str] = frozenset()

    @property
    def is_latin(self) -> bool:
        """Whether words hold ASCII letters, too."""
        return not self.common

    def commonness(self, text: str) -> float:
        """Return the share of common letters among the letters of a text beyond ASCII."""
        folded = [unicodedata.normalize("NFD", each)[0] for each in text.lower() if each > "\x7f" and each.isalpha()]
        return sum(each in self.common for each in folded) / len(folded) if folded else 0.0

    def is_word(self, letter: str) -> bool:
        """Whether a letter beyond ASCII is a word by itself."""
        return letter in _ALONE and letter in self.letters


_RUSSIAN = Alphabet(_CYRILLIC, frozenset("оеаинтрслві"))
# In order of preference. Latin-1 is not among them: where it differs from cp1252, it has control characters.
# Of ISO 8859-15, only the euro sign tells it from cp1252: its letters in the place of accents and fractions are rare.
ONE_BYTE = {
    "cp1252": Alphabet(_WESTERN),
    "iso8859-15": Alphabet(_WESTERN - frozenset("ŒœŠšŽžŸ")),
    "cp1250": Alphabet(_CENTRAL),
    "cp1254": Alphabet(_TURKISH),
    "cp437": Alphabet(_WESTERN),
    "cp850": Alphabet(_WESTERN),
    "cp1251": _RUSSIAN,
    "koi8-r": _RUSSIAN,
    "cp866": _RUSSIAN,
    "iso8859-5": _RUSSIAN,
    "cp1253": Alphabet(_GREEK, frozenset("αοιετσνης")),
    "cp1255": Alphabet(_HEBREW, frozenset("יוהלאמרתב")),
}
# The first and last code of the common characters in each encoding: of the first level of its
# national standard.
COMMON_CODES = {
    "cp932": ((0x8158, 0x815B), (0x829F, 0x8396), (0x889F, 0x9872)),
    "cp949": ((0xB0A1, 0xC8FE),),
    "euc_jp": ((0xA1B9, 0xA1BC), (0xA4A1, 0xA5F6), (0xB0A1, 0xCFD3)),
    "gb18030": ((0xB0A1, 0xD7F9),),
    "big5": ((0xA440, 0xC67E),),
}


def is_common(character: str, encoding: str) -> bool:
    """Whether a character is a common one in this encoding."""
    code = int.from_bytes(character.encode(encoding), "big")
    return any(first <= code <= last for first, last in COMMON_CODES[encoding])
