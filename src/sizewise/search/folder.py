"""What an index folder holds, and which bundle it belongs to.

`index.json`, and beside it the documents (`catalog.sqlite`), the vectors of each encoder as it made them
(`vectors-N.f32`), and what an engine made of both, which can be made again at any time.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from sizewise.bundle import certificate
from sizewise.bundle.layout import is_bundle, read_json
from sizewise.core.errors import InputError
from sizewise.store.files import write_json

SCHEMA = 2
ABOUT = "index.json"
ENDING = ".index"
"""Of the folder beside a bundle that an index goes to where no other is named."""
USUAL = "edge"
ENGINES = (USUAL, "exact")


@dataclass(frozen=True)
class About:
    """`index.json`."""

    bundle: str
    """The bundle's folder, absolute."""
    digest: str
    """Of the bundle's certificate: vectors of another bundle are others."""
    candidate: str
    dimensions: tuple[int, ...]
    """Of the vectors of each encoder that has documents stored, in the order of the pipeline's parts."""
    engine: str
    """What searches it unless something else is asked for: "edge" or "exact"."""

    def write(self, folder: Path) -> None:
        write_shared(folder / ABOUT, {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises InputError when `folder` holds no index of this version."""
        path = folder / ABOUT
        if not path.is_file():
            raise InputError(f"{folder} holds no index (no {ABOUT}); make one with sizewise index BUNDLE CORPUS")
        _no_links(folder)
        about = read_json(path)
        if about.pop("schema", None) != SCHEMA:
            raise InputError(f"{path} is of another version; index the corpus again with --force")
        try:
            found = cls(**(about | {"dimensions": tuple(map(int, about["dimensions"]))}))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{path} is not as this version writes it ({error}); index the corpus again with --force"
            ) from None
        if found.engine not in ENGINES:
            raise InputError(f"{path} names an engine {found.engine!r}; index the corpus again with --force")
        return found


def _no_links(folder: Path) -> None:
    """An index may come from somebody else, and a link lead anywhere. Raises InputError for one."""
    if wrong := next((path for path in folder.iterdir() if path.is_symlink()), None):
        raise InputError(f"{wrong} is a link; an index holds files only")


def write_shared(path: Path, value: Any) -> None:
    """`value` as JSON at `path`, for whoever may read the folder: one user indexes, another one serves."""
    write_json(path, value)
    path.chmod(path.parent.stat().st_mode & 0o666)


def vectors_file(folder: Path, number: int) -> Path:
    return folder / f"vectors-{number}.f32"


def is_index(folder: Path) -> bool:
    """Whether `folder` holds an index, of whatever version."""
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
