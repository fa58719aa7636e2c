"""The work behind the routes: bundles by name, each request to the batcher or to the threads that search."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sizewise.core.candidate import Role
from sizewise.core.errors import InputError, RunError
from sizewise.index.where import Where
from sizewise.search.folder import digest_of
from sizewise.search.open import Hit
from sizewise.serve import metrics
from sizewise.serve.batcher import Batcher
from sizewise.serve.job import Made
from sizewise.serve.queued import QueuedEncoder, Request
from sizewise.serve.ranker import Scores
from sizewise.serve.refused import Refused
from sizewise.serve.served import Served, opened
from sizewise.serve.settings import Settings
from sizewise.serve.space import Space
from sizewise.serve.turns import Turns

Result = TypeVar("Result")
MOST_CHARACTERS = 1_000_000
"""Of a text: some tokenizers read all of it before they cut it."""
THREADS = 16
"""That search and rank: most of their time they wait for the batcher."""


@dataclass
class Service:
    """Everything that is loaded."""

    settings: Settings
    batcher: Batcher
    served: Mapping[str, Served]
    turns: Turns

    @classmethod
    def open(cls, settings: Settings, say: Callable[[str], None]) -> "Service":
        """Load, check and size everything. Raises as `opened`, and RunError for another bundle than is expected."""
        for name, digest in settings.digests.items():
            if digest_of(folder := Path(settings.bundles[name])) != digest:
                raise RunError(f"{name}: {folder} is another bundle than when the server was started; start it again")
        limits = settings.limits
        batcher = Batcher(
            waiting_s=limits.waiting_s, longest_s=limits.deadline_s, most_jobs=limits.requests, heard=metrics.heard
        )
        try:
            served = {
                name: opened(name, Path(folder), settings.indexes.get(name), batcher, limits.latency_ms, say)
                for name, folder in settings.bundles.items()
            }
        except BaseException:
            batcher.close()
            raise
        return cls(settings, batcher, served, Turns(THREADS, limits.waiting_s, limits.requests))

    def close(self) -> None:
        """Finish what was taken, and let go of indexes."""
        self.turns.close()
        self.batcher.close()
        for one in self.served.values():
            if one.searcher is not None:
                one.searcher.close()

    def named(self, name: str | None) -> Served:
        """The bundle called `name`; the first one for None. Raises Refused when there is none."""
        if name is None:
            return next(iter(self.served.values()))
        if name not in self.served:
            message = f"The model {name!r} does not exist; there are: {', '.join(self.served)}"
            raise Refused(404, message, param="model", code="model_not_found")
        return self.served[name]

    def deadline(self, asked_ms: int | None) -> float:
        """On the clock of `time.monotonic`; `asked_ms` can only bring it nearer."""
        longest = self.settings.limits.deadline_s
        return time.monotonic() + (longest if asked_ms is None else min(longest, asked_ms / 1e3))

    async def embed(self, space: Space, texts: Sequence[str], role: Role, deadline: float) -> Made:
        """The encoder's vectors. Raises as `Batcher.submit`; when cancelled, the texts leave the queue."""
        encoder = space.encoder
        assert isinstance(encoder, QueuedEncoder)
        future = self.batcher.submit(encoder.inner, texts, role, space.prompts[role], deadline)
        return await asyncio.wrap_future(future)

    async def rank(self, served: Served, query: str, texts: Sequence[str], request: Request) -> Scores:
        """Scores of `texts`. Raises Refused where the bundle has nothing to rank with."""
        found = served.ranker
        if found is None:
            raise Refused(400, f"{served.name} ({served.candidate}) has nothing that scores texts; search with it")
        return await self._turn(request, lambda: found.scores(query, texts))

    async def search(self, served: Served, query: str, depth: int, where: Where | None, request: Request) -> list[Hit]:
        """What is found. Raises Refused where the bundle has no index."""
        searcher = served.searcher
        if searcher is None:
            raise Refused(
                400,
                f"{served.name} has no index; make one beside its bundle: sizewise index {served.folder.name} CORPUS",
            )
        (found,) = await self._turn(request, lambda: searcher.search([query], depth, where))
        return found

    async def _turn(self, request: Request, work: Callable[[], Result]) -> Result:
        try:
            with request.current():
                return await self.turns.of(work)
        except asyncio.CancelledError:
            request.give_up()
            raise


def checked_texts(texts: Sequence[str], most: int, *, param: str) -> Sequence[str]:
    """Raises Refused for none, too many, or an empty one."""
    if not texts:
        raise Refused(400, f"{param} is empty; give at least one text", param=param, code="empty")
    if len(texts) > most:
        raise Refused(422, f"{param} holds {len(texts):,} texts, and a request may have {most:,}", param=param)
    too_long = next((at for at, text in enumerate(texts) if len(text) > MOST_CHARACTERS), None)
    if too_long is not None:
        raise Refused(413, f"{param}[{too_long}] is longer than {MOST_CHARACTERS:,} characters", param=param)
    if not all(texts):
        at = next(at for at, text in enumerate(texts) if not text)
        raise Refused(400, f"{param}[{at}] is an empty string", param=param, code="empty")
    return texts


def texts_of_ids(served: Served, ids: Sequence[Sequence[int]], most: int, *, param: str) -> list[str]:
    """Texts of token ids of the bundle's own tokenizer. Raises Refused for more than `most`, and for ids that it does
    not have."""
    if len(ids) > most:
        raise Refused(422, f"{param} holds {len(ids):,} texts, and a request may have {most:,}", param=param)
    (encoder, *_) = served.encoders
    try:
        return [encoder.text_of(list(one)) for one in ids]
    except InputError as error:
        raise Refused(400, str(error), param=param) from None
