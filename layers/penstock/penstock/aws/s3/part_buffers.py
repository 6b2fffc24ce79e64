"""Memory for the parts of an upload: a few buffers that are reused.

New memory is not free: the first access costs as much CPU per byte as decoding gzip.
"""

from __future__ import annotations

from threading import Condition

from penstock.codecs.checksum import crc32


class PartBuffer:
    """A buffer for ``capacity`` bytes, with the ``crc32`` of its content.

    It allocates memory as it is filled, so that a small object needs little. Bytes that arrive are in the processor's
    cache, so that their checksum costs least here. S3 then detects bytes that are damaged in the buffer.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._data = bytearray()
        self._filled = 0
        self.crc32 = 0

    @property
    def full(self) -> bool:
        return self._filled == self.capacity

    def fill(self, chunk: memoryview) -> int:
        """Append the part of ``chunk`` that fits, and return the number of bytes appended."""
        taken = chunk[: self.capacity - self._filled]
        end = self._filled + len(taken)
        if end <= len(self._data):
            # The memory is allocated already. Only a view makes this a single copy.
            with memoryview(self._data) as data:
                data[self._filled : end] = taken
        else:
            del self._data[self._filled :]
            self._data += taken
        self._filled = end
        self.crc32 = crc32(taken, self.crc32)
        return len(taken)

    def body(self) -> bytearray:
        """Return the content without a copy. It is valid until the next ``fill``."""
        del self._data[self._filled :]
        return self._data

    def clear(self) -> None:
        """Empty the buffer, but keep its memory."""
        self._filled = 0
        self.crc32 = 0


class BufferPool:
    """At most ``count`` buffers with at most ``limit`` bytes in total. ``take`` waits until a buffer is free.

    Part sizes only grow: a free buffer that is too small is dropped for a larger one.
    """

    def __init__(self, limit: int, count: int) -> None:
        self._limit = limit
        self._count = count
        self._free: list[PartBuffer] = []
        self._sizes: list[int] = []
        self._changed = Condition()

    @property
    def allocated(self) -> int:
        """Bytes of all buffers, including free ones."""
        return sum(self._sizes)

    def take(self, capacity: int) -> PartBuffer:
        """Return an empty buffer. Waits for another to be given back while the limit is reached."""
        with self._changed:
            while True:
                while self._free:
                    buffer = self._free.pop()
                    if buffer.capacity == capacity:
                        buffer.clear()
                        return buffer
                    self._sizes.remove(buffer.capacity)
                if len(self._sizes) < self._count and self.allocated + capacity <= self._limit:
                    self._sizes.append(capacity)
                    return PartBuffer(capacity)
                self._changed.wait()

    def give(self, buffer: PartBuffer) -> None:
        """Give back a buffer that is no longer read."""
        with self._changed:
            self._free.append(buffer)
            self._changed.notify_all()
