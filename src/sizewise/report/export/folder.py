"""The folder that an export writes to."""

from collections.abc import Iterable
from pathlib import Path

from sizewise.core.errors import InputError
from sizewise.store.files import atomic


class Folder:
    """Files under one folder, each whole or absent; those of the same name are replaced. `notes` are for the reader."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: list[Path] = []
        self.notes: list[str] = []

    def write(self, parts: tuple[str, ...], chunks: Iterable[bytes]) -> None:
        """One file at `parts` below the folder. Raises InputError when it cannot be written."""
        path = self.path.joinpath(*parts)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic(path) as file:
                file.writelines(chunks)
        except OSError as error:
            raise InputError(f"{path} cannot be written ({error.strerror}); choose another --out") from None
        self.files.append(path)
