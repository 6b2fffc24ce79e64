"""How destinations that write files write them: the options of a route's table."""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock.limits import MIB
from penstock.model.serialization import OMIT_DEFAULT

# https://docs.aws.amazon.com/athena/latest/ug/performance-tuning-data-optimization-techniques.html: files of 128 MB
# and more. Iceberg's default is 512 MB.
FILE_SIZE = 256 * MIB
COMPRESSIONS = ("zstd", "snappy", "gzip", "none")


@dataclass(frozen=True, slots=True)
class FileOptions:
    """``partition_by`` names columns, or transforms of columns such as ``day(ordered_at)``. ``file_size`` is the size
    in bytes from which on another file is begun, ``row_group_size`` that of the rows of a row group; 0 and an empty
    ``compression`` stand for the defaults."""

    partition_by: tuple[str, ...] = field(default=(), metadata=OMIT_DEFAULT)
    file_size: int = field(default=0, metadata=OMIT_DEFAULT)
    row_group_size: int = field(default=0, metadata=OMIT_DEFAULT)
    compression: str = field(default="", metadata=OMIT_DEFAULT)


NO_FILE_OPTIONS = FileOptions()
