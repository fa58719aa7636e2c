"""What an index folder holds: the documents, the vectors of each encoder, and which bundle it belongs to."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from sizewise.bundle import certificate
from sizewise.bundle.layout import is_bundle, read_json
from sizewise.core.errors import InputError
from sizewise.store.files import write_json

SCHEMA = 1
ABOUT = "index.json"
DOCUMENTS = "documents.arrow"
ENDING = ".index"
"""Of the folder beside a bundle that an index goes to where no other is named."""


@dataclass(frozen=True)
class About:
    """`index.json`, which is written last: an index that was not finished has none."""

    bundle: str
    """The bundle's folder, absolute."""
    digest: str
    """Of the bundle's certificate: vectors of another bundle are others."""
    candidate: str
    documents: int
    vectors: tuple[str, ...]
    """A file for each encoder that has documents stored, in the order of the pipeline's parts."""

    def write(self, folder: Path) -> None:
        write_json(folder / ABOUT, {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises InputError when `folder` holds no finished index of this version."""
        if not (folder / ABOUT).is_file():
            raise InputError(
                f"{folder} holds no finished index (no {ABOUT}); make one with sizewise index BUNDLE CORPUS"
            )
        about = read_json(folder / ABOUT)
        if about.pop("schema", None) != SCHEMA:
            raise InputError(f"{folder / ABOUT} is of another version; make the index again")
        try:
            found = cls(**(about | {"vectors": tuple(map(str, about["vectors"]))}))
        except (KeyError, TypeError) as error:
            raise InputError(f"{folder / ABOUT} is not as this version writes it ({error}); index again") from None
        if wrong := next((name for name in found.vectors if Path(name).name != name), None):
            raise InputError(f"{folder / ABOUT}: {wrong} is no file of the index; index the corpus again")
        return found


def is_index(folder: Path) -> bool:
    """Whether `folder` holds a finished index."""
    return (folder / ABOUT).is_file()


def index_of(path: Path) -> Path:
    """The index in `path`, or beside the bundle in `path`. Raises InputError when there is none."""
    if is_index(path):
        return path
    if is_bundle(path):
        beside = beside_bundle(path)
        if is_index(beside):
            return beside
        raise InputError(f"{path} is a bundle without an index beside it; make one: sizewise index {path} CORPUS")
    raise InputError(f"{path} is neither an index nor a bundle; make an index with sizewise index BUNDLE CORPUS")


def beside_bundle(bundle: Path) -> Path:
    """Where a bundle's index goes where no other place is named."""
    bundle = bundle.absolute()
    return bundle.with_name(bundle.name + ENDING)


def digest_of(bundle: Path) -> str:
    """The digest of a bundle's certificate. Raises InputError when it has none that can be read."""
    try:
        return str(certificate.read(bundle)["digest"])
    except certificate.Damaged as error:
        raise InputError(f"{bundle} is not the bundle that was written: {error}; build it again") from None
