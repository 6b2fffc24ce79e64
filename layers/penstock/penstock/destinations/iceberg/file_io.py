"""How pyiceberg reads and writes manifests: whole, through our own storage. pyarrow and fsspec are not needed."""

from __future__ import annotations

from io import BytesIO

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from penstock.destinations.iceberg.storage import Storage
from penstock.errors import DestinationMissingError, InvalidTableError
from penstock.limits import MIB

# Other writers aim at 8 MiB for a manifest. A list of manifests has 200 to 400 bytes for each.
MAX_FILE = 64 * MIB


class StorageFileIO(FileIO):
    """Implements pyiceberg's ``FileIO``. Memory: each open file, up to 64 MiB."""

    def __init__(self, storage: Storage) -> None:
        super().__init__()
        self._storage = storage

    def new_input(self, location: str) -> InputFile:
        return _Input(location, self._storage)

    def new_output(self, location: str) -> OutputFile:
        return _Output(location, self._storage)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        self._storage.delete(location if isinstance(location, str) else location.location)


class _Input(InputFile):
    def __init__(self, location: str, storage: Storage) -> None:
        super().__init__(location)
        self._storage = storage

    def __len__(self) -> int:
        return self._storage.size(self.location)

    def exists(self) -> bool:
        try:
            self._storage.size(self.location)
        except DestinationMissingError:
            return False
        return True

    def open(self, seekable: bool = True) -> InputStream:  # noqa: ARG002  # as pyiceberg says
        data = self._storage.read(self.location, MAX_FILE)
        if len(data) > MAX_FILE:
            raise InvalidTableError(
                f"{self.location} is larger than {MAX_FILE:,} bytes", hint="Rewrite the manifests of the table."
            )
        return BytesIO(data)


class _Output(OutputFile):
    def __init__(self, location: str, storage: Storage) -> None:
        super().__init__(location)
        self._storage = storage
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def exists(self) -> bool:
        return self.to_input_file().exists()

    def to_input_file(self) -> InputFile:
        return _Input(self.location, self._storage)

    def create(self, overwrite: bool = False) -> OutputStream:  # noqa: ARG002  # names are new
        return _Stream(self)

    def put(self, data: bytes) -> None:
        """Write the file."""
        self._storage.write(self.location, data)
        self._size = len(data)


class _Stream(BytesIO):
    """Writes the file when it is closed."""

    def __init__(self, output: _Output) -> None:
        super().__init__()
        self._output = output

    def close(self) -> None:
        if not self.closed:
            data = self.getvalue()
            super().close()
            self._output.put(data)
