"""tar: ustar, pax, GNU tar and version 7, plain or decoded by a codec."""

from __future__ import annotations

from penstock.archives.archive import Archive
from penstock.archives.tar.header import is_header
from penstock.archives.tar.ranges import entries, locate, method
from penstock.archives.tar.walk import walk

TAR = Archive("tar", (".tar",), is_header, entries, locate, method, walk)
