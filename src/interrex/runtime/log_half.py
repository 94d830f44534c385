"""One of the two files a log lives in by turns."""

from collections.abc import Callable
from pathlib import Path

from interrex.runtime import log_format as form
from interrex.runtime.disk_file import DiskFile, read_or_refuse
from interrex.runtime.log_format import Header, Retired


class Half:
    """An open half: its file, and its header when it has an intact one.

    ``retired`` says that the other half has taken over. An unreadable note counts as that: it was
    being written, and was so only after the other half had become valid.
    """

    def __init__(self, file: DiskFile, header: Header | None, retired: bool) -> None:
        self.file = file
        self.header = header
        self.retired = retired

    @classmethod
    def open(cls, path: Path, open_file: Callable[[Path], DiskFile]) -> "Half":
        """Opens or creates the file; raises OSError, StoreCorrupt."""
        file = open_file(path)
        header = form.decode_header(read_or_refuse(file, form.HEADER_AT, 64))
        note = read_or_refuse(file, form.RETIRED_AT, 64)
        retired = form.decode_retired(note)
        if retired is None:
            return cls(file, header, retired=any(note))
        return cls(file, header, retired=header is not None and retired == header[:2])

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def generation(self) -> int:
        """How often the log has changed halves, from 1; 0 for a half that was never used."""
        return self.header.generation if self.header else 0

    @property
    def key(self) -> tuple[int, int]:
        """The log's id and the generation of a half that has a header."""
        assert self.header is not None
        return self.header.log, self.header.generation

    @property
    def capacity(self) -> int:
        """The bytes reserved in this file."""
        return self.header.capacity if self.header else 0

    def write_header(self, header: Header) -> None:
        """Makes this half the newest, durably. Raises OSError."""
        self.file.write(form.HEADER_AT, form.encode_header(header))
        self.file.sync()
        self.header = header
        self.retired = False

    def retire(self) -> None:
        """Notes durably that the other half has taken over. Raises OSError."""
        self.file.write(form.RETIRED_AT, form.encode_retired(Retired(*self.key)))
        self.file.sync()
        self.retired = True
