"""Which encoding a text has, by its bytes, with the evidence; and which names of encodings a route may have."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lengths import examples
from penstock.errors import InvalidRouteError
from penstock.formats.encoding import encoding_of
from penstock.formats.encoding_guess import guess_encoding

GERMAN = "Straße in München, Größe über Äpfel; „Hallo“ 5 €\n"
TEXTS = {
    "German": GERMAN,
    "French": "L'été à Genève, forêt, garçon, œuvre, déjà vu\n",
    "Spanish": "El niño español añadió una canción ¿Qué?\n",
    "Danish": "Rødgrød med fløde på Ærø\n",
    "Euros": "Müller & Söhne;12,50 €\n",
    "Accents": "don\u00b4t, 5\u00b4 and ½ ¼\n",
    "Polish": "Zażółć gęślą jaźń, Łódź, Kraków, źródło\n",
    "Czech": "Příliš žluťoučký kůň úpěl ďábelské ódy\n",
    "Japanese": "東京都港区,日本語のテキスト,パートナー\n",
    "Chinese": "北京市,中文文本测试,合作伙伴\n",
    "Korean": "서울특별시,한국어 문장\n",
    "Russian": "Иванов Иван;Санкт-Петербург\n",
    "Greek": "Αθήνα;Θεσσαλονίκη\n",
}


@pytest.mark.parametrize(
    ("language", "encoding"),
    [
        *((language, encoding) for language in TEXTS for encoding in ("utf-8", "utf-8-sig", "utf-16")),
        ("German", "cp1252"),
        ("French", "cp1252"),
        ("Spanish", "latin-1"),
        ("Spanish", "cp437"),
        ("Danish", "cp850"),
        ("Euros", "iso8859-15"),
        ("Euros", "cp1252"),
        ("Accents", "cp1252"),
        ("Danish", "latin-1"),
        ("Polish", "cp1250"),
        ("Czech", "cp1250"),
        ("Japanese", "cp932"),
        ("Chinese", "gb18030"),
        ("Korean", "cp949"),
        ("Russian", "cp1251"),
        ("Russian", "koi8-r"),
        ("Russian", "cp866"),
        ("Greek", "cp1253"),
    ],
)
def test_a_text_that_is_read_as_guessed_is_what_was_written(language: str, encoding: str) -> None:
    data = TEXTS[language].encode(encoding)
    guess = guess_encoding(data)
    assert data.decode(guess.name).lstrip("\ufeff") == TEXTS[language]


@pytest.mark.parametrize(
    ("data", "name", "evidence"),
    [
        (b"", "utf-8", "only ASCII"),
        (b"id,name\n1,Ann\n", "utf-8", "only ASCII"),
        ("\ufeffid\n".encode(), "utf-8", "byte order mark of utf-8"),
        ("id,name\n1,Ann\n".encode("utf-16-be"), "utf-16-be", "the zeros of utf-16-be"),
        ("id,name\n1,Ann\n".encode("utf-32-le"), "utf-32-le", "the zeros of utf-32-le"),
        ("Zoë €".encode(), "utf-8", "2 characters beyond ASCII, all of them valid UTF-8"),
        ("Zoë €".encode()[:-1], "utf-8", "2 characters beyond ASCII"),
        (GERMAN.encode("cp1252"), "cp1252", "not UTF-8 at byte 4; in cp1252 its bytes are ßüöÄ„“€"),
        ("naïve".encode("cp1252"), "cp1252", "undecided: cp1250 (ď for ï) would do as well"),
        ("서울특별시".encode("cp949"), "cp949", "gb18030 (辑 for 서, 匡 for 울, 漂 for 특)"),
        (b"a\xb0b\xb1c", "latin-1", "undecided"),
    ],
)
def test_the_evidence_is_told(data: bytes, name: str, evidence: str) -> None:
    guess = guess_encoding(data)
    assert guess.name == name
    assert evidence in guess.evidence


@pytest.mark.parametrize(
    "text", ["Grüße", "Süß", "Süße\nGrüße", "weiß\ngroß", "créé;Noël", "Öfen;größer", "Ü-Ei\nÄpfel"]
)
@pytest.mark.parametrize("encoding", ["cp1252", "iso8859-15"])
def test_accents_in_words_are_no_asian_characters(text: str, encoding: str) -> None:
    data = f"id;name\n1;{text}\n".encode(encoding)
    guess = guess_encoding(data)
    assert data.decode(guess.name) == data.decode(encoding)
    assert not guess.others


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("größe Öfen", "cp850"),
        ("weiß", "cp850"),
        ("Москва\nТула", "cp1251"),  # noqa: RUF001  # Russian
        ("привет", "koi8-r"),
        ("שלום;ירושלים", "cp1255"),
        ("yıl;şeker", "cp1254"),  # noqa: RUF001  # Turkish
        ("東京", "cp932"),
        ("東京", "euc_jp"),
        ("北京", "gb18030"),
        ("北京", "big5"),
        ("김철수", "cp949"),
    ],
)
def test_a_text_of_few_words_is_read_right_or_is_undecided(text: str, encoding: str) -> None:
    data = f"id;name\n1;{text}\n".encode(encoding)
    guess = guess_encoding(data)
    assert data.decode(guess.name) == data.decode(encoding) or "undecided: " in guess.evidence


@given(st.binary(max_size=60))
@settings(max_examples=examples(200), deadline=None)
def test_any_bytes_have_a_guess_that_a_route_may_have(data: bytes) -> None:
    assert encoding_of(b"", guess_encoding(data).name).name


@pytest.mark.parametrize("name", ["base64", "rot13", "hex", "utf-7", "iso2022_jp", "idna", "klingon", "a\0b"])
def test_a_codec_of_no_text_and_one_that_depends_on_what_came_before_are_refused(name: str) -> None:
    with pytest.raises(InvalidRouteError):
        encoding_of(b"", name)
