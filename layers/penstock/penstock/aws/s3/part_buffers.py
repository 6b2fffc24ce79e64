"""Memory for the parts of an upload: a few buffers that are used again and again.

Fresh memory is not free: touching it for the first time costs as much CPU per byte as decoding gzip does.
"""

from __future__ import annotations

from threading import Condition

from penstock.codecs.checksum import crc32


class PartBuffer:
    """Room for ``capacity`` bytes, and the ``crc32`` of those that are in it.

    Memory is only taken as it is filled, so a small object stays small. What comes in is in the processor's cache, so
    this is where its checksum costs least; and what happens to it in here, S3 will notice.
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
        """Append what fits of ``chunk``; the number of bytes taken."""
        taken = chunk[: self.capacity - self._filled]
        end = self._filled + len(taken)
        if end <= len(self._data):
            # Used before: its memory stands ready. Only through a view is this a single copy.
            with memoryview(self._data) as data:
                data[self._filled : end] = taken
        else:
            del self._data[self._filled :]
            self._data += taken
        self._filled = end
        self.crc32 = crc32(taken, self.crc32)
        return len(taken)

    def body(self) -> bytearray:
        """What was filled in, not copied: valid until the next ``fill``."""
        del self._data[self._filled :]
        return self._data

    def clear(self) -> None:
        """Start again; the memory is kept."""
        self._filled = 0
        self.crc32 = 0


class BufferPool:
    """At most ``count`` buffers of together at most ``limit`` bytes. A request waits until they are free.

    Parts only grow: a free buffer that is too small makes room for a larger one.
    """

    def __init__(self, limit: int, count: int) -> None:
        self._limit = limit
        self._count = count
        self._free: list[PartBuffer] = []
        self._sizes: list[int] = []
        self._changed = Condition()

    @property
    def allocated(self) -> int:
        """Bytes of all buffers, free ones included."""
        return sum(self._sizes)

    def take(self, capacity: int) -> PartBuffer:
        """An empty buffer. Waits for others to be given back while the limit is reached."""
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
        """Return a buffer that nobody reads any more."""
        with self._changed:
            self._free.append(buffer)
            self._changed.notify_all()
