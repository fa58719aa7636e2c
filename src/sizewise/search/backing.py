"""What an index can do, wherever it is: in a folder, there with an engine beside it, or on a server."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from sizewise.core.progress import Progress
from sizewise.index.where import Where, Within
from sizewise.pipeline.live import Pipeline
from sizewise.search.check import Recall
from sizewise.search.document import Document
from sizewise.transform.transform import Vectors


class Index(Protocol):
    """Documents by their ids, for one bundle. What `put` and `delete` did is there when they return."""

    @property
    def name(self) -> str:
        """Where it is: a folder, or a URL."""
        ...

    @property
    def candidate(self) -> str:
        """What its bundle was made of."""
        ...

    @property
    def documents(self) -> int:
        """How many there are."""
        ...

    @property
    def whole(self) -> bool:
        """Whether the last corpus was gone through to its end."""
        ...

    def known(self, ids: Sequence[str]) -> dict[str, bytes]:
        """The digests of those of the documents `ids` that there are."""
        ...

    def put(self, documents: Sequence[Document], vectors: Sequence[Vectors]) -> None:
        """Add documents, each once, or put them in the place of those with the same ids.

        vectors: float32 [n, d] of each part that stores some, as its encoder made them. Raises RunError for what is not
        a number.
        """
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Remove documents; how many of these there were."""
        ...

    def ids(self) -> Iterator[str]:
        """Of all documents; some may be deleted while they are read."""
        ...

    def begin(self) -> None:
        """Remember that a corpus is not gone through to its end, until `finish` says otherwise."""
        ...

    def finish(self, progress: Progress, *, whole: bool = True) -> None:
        """Make what was put ready for search; `whole` says that a corpus was gone through to its end."""
        ...

    def attach(self) -> Pipeline:
        """The pipeline over these documents; that with which it was opened is changed."""
        ...

    def within(self, where: Where) -> Within | None:
        """What a search is about."""
        ...

    def found(self, ids: Sequence[int]) -> Mapping[int, Document]:
        """The documents behind the ids that the pipeline found, of those that there still are."""
        ...

    def recall(self) -> Recall | None:
        """How much of what exact search finds is found; None where nothing else is known."""
        ...

    def snapshot(self, to: Path) -> None:
        """A copy as it is now."""
        ...

    def close(self) -> None: ...
