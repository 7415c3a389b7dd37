"""Files of records in frames: each frame vouches for everything before it.

A file begins with a line that names its format and goes on in frames: a length (4 bytes, big-endian), so many
bytes, and a BLAKE2b-256 digest of everything before it from the file's first byte on. Both ends stream: they
hold one frame at a time.
"""

from collections.abc import Callable
from hashlib import blake2b
from struct import Struct as Layout
from typing import BinaryIO, Final

from tangle.core.errors import TangleError

DIGEST_SIZE: Final = 32
"""Bytes of a digest."""

FRAME_BYTES: Final = 1_048_576
"""Rows are put into a frame until it has this many bytes."""

FRAME_BYTES_MAX: Final = 268_435_456
"""Longest frame that is read: one row can be a model of some hundred megabytes, and no longer."""

_LENGTH: Final = Layout(">I")

MakeFault = Callable[[int, str], TangleError]
"""The error for a file that is wrong at some byte, for some reason."""


class FrameWriter:
    """Writes frames to an empty file."""

    def __init__(self, file: BinaryIO, magic: bytes, purpose: bytes) -> None:
        """:param magic: first bytes of the file.
        :param purpose: of its digests, at most 16 bytes.
        """
        self._file = file
        self._digest = blake2b(digest_size=DIGEST_SIZE, person=purpose)
        self._put(magic)

    def write(self, content: bytes) -> None:
        """One more frame."""
        self._put(_LENGTH.pack(len(content)))
        self._put(content)
        self._put(self._digest.digest())

    def _put(self, data: bytes) -> None:
        self._digest.update(data)
        self._file.write(data)


class FrameReader:
    """Reads a file frame by frame; a frame is given out once its digest holds."""

    def __init__(self, file: BinaryIO, magic: bytes, purpose: bytes, make_fault: MakeFault) -> None:
        """:raises TangleError: what ``make_fault`` makes, here and later: the file is not what it seems."""
        self._file = file
        self._make_fault = make_fault
        self._digest = blake2b(digest_size=DIGEST_SIZE, person=purpose)
        self.frames = 0
        """Frames read."""
        if self._take(len(magic)) != magic:
            raise self.make_fault("it does not begin like a file of this format")

    def read(self) -> bytes:
        """The next frame."""
        (size,) = _LENGTH.unpack(self._take(_LENGTH.size))
        if size > FRAME_BYTES_MAX:
            raise self.make_fault("a frame is longer than any can be")
        content = self._take(size)
        expected = self._digest.digest()
        if self._take(DIGEST_SIZE) != expected:
            raise self.make_fault("a digest does not hold")
        self.frames += 1
        return content

    def check_end(self) -> None:
        """Nothing may follow the last frame."""
        if self._file.read(1):
            raise self.make_fault("it goes on behind its end")

    @property
    def place(self) -> int:
        """Bytes read."""
        return self._file.tell()

    def make_fault(self, reason: str) -> TangleError:
        """The error for a fault at the present place."""
        return self._make_fault(self._file.tell(), reason)

    def _take(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise self.make_fault("it is not whole")
        self._digest.update(data)
        return data
