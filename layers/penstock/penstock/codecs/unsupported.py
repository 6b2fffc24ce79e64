"""Recognise formats that Penstock does not read as a table by their first bytes, so that an error can name them."""

from __future__ import annotations

# Bytes from the start of a source that ``name_of`` needs; fewer only if the source is shorter.
HEAD = 512

ZIP, TAR = "a zip archive", "a tar archive"
AVRO = "an Avro file"
PARQUET = "a Parquet file"
XLSX, OLE = "an XLSX workbook", "an XLS workbook, or an encrypted one"

# The first bytes of each format, and its name. If they could be text, enough bytes follow to exclude text.
_MAGIC = (
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"PK\x07\x08", "a zip archive of several volumes"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"PAR1\x15", PARQUET),
    (b"Obj\x01", AVRO),
    (b"ORC\x08", "an ORC file"),
    (b"ORC\x0a", "an ORC file"),
    (b"ARROW1\0\0", "an Arrow file"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"%PDF-", "a PDF document"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"\x02\x21\x4c\x18", "lz4 of the legacy format"),
    (b"\xff\x06\0\0sNaPpY", "framed snappy"),
    (b"\x89LZO\0\r\n\x1a\n", "lzop"),
    (b"LZIP\x01", "lzip"),
    (b"\x5d\0\0", "lzma of the legacy format"),
    (b"\x1f\x9d", "compress (.Z)"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
)
# The names of a zip's first entries identify its format. ODF puts its type first for this purpose.
_ZIPS = (
    (b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet", "an ODS spreadsheet"),
    (b"xl/workbook.bin", "an XLSB workbook"),
    (b"xl/workbook.xml", XLSX),
)

# A tar header's checksum is the sum of its bytes, the checksum itself counted as blanks (POSIX, ustar).
_TAR_NAME, _TAR_SUM = slice(0, 100), slice(148, 156)

SUFFIXES = {
    **dict.fromkeys(("zip", "jar"), ZIP),
    "7z": "a 7z archive",
    "rar": "a RAR archive",
    "tar": TAR,
    "orc": "an ORC file",
    **dict.fromkeys(("arrow", "feather"), "an Arrow file"),
    "lz4": "lz4",
    "br": "brotli",
    "z": "compress (.Z)",
    "lz": "lzip",
    "lzma": "lzma of the legacy format",
    "lzo": "lzop",
    **dict.fromkeys(("sz", "snappy"), "snappy"),
    "xls": "an XLS workbook",
    "xlsb": "an XLSB workbook",
    "ods": "an ODS spreadsheet",
}


def name_of(head: bytes) -> str:
    """Return the format of a source that starts with ``head``, for messages; empty if it is unknown."""
    found = next((name for magic, name in _MAGIC if head.startswith(magic)), "")
    if found == ZIP:
        return next((name for mark, name in _ZIPS if mark in head), found)
    return found or (TAR if _is_tar(head) else "")


def promised(name: str) -> str:
    """Return the unsupported format of a name's last suffix; empty if there is none."""
    _, dot, suffix = name.rpartition("/")[2].rpartition(".")
    return SUFFIXES.get(suffix.lower(), "") if dot else ""


def advice(name: str) -> str:
    """Return what to do about a source in such a format."""
    if "workbook" in name or "spreadsheet" in name:
        return "Save it as XLSX or CSV."
    if name in (ZIP, TAR):
        return (
            'Take it apart: a route with archive = "members", or `penstock run` of a file named .zip, .tar or .tar.gz.'
        )
    if "archive" in name:
        return "Unpack it, and upload the files in it."
    if name.startswith(("a ", "an ")):
        return "Convert it to CSV, JSON Lines, JSON or XLSX."
    return "Compress it with gzip, bzip2, xz or zstd instead, or do not compress it."


def _is_tar(head: bytes) -> bool:
    if len(head) < HEAD or not head[_TAR_NAME].strip(b"\0"):
        return False
    declared = head[_TAR_SUM].strip(b" \0")
    if not declared or declared.strip(b"01234567"):
        return False
    return int(declared, 8) == sum(head[:HEAD]) - sum(head[_TAR_SUM]) + 8 * ord(" ")
