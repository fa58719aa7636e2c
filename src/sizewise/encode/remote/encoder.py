"""A remote encoder: vectors from an endpoint of the user's own configuration, bought once.

**What its vectors are filed under.** Weights that nobody sees have no digest. The identity is URL, model, dimensions,
where texts are cut, and a date: providers change models behind a name, so vectors of different dates are not taken for
those of one model. The date is that of the first vectors of this identity that the store still has, so that a run that
goes on, and every later study, uses what was paid for; where there are none it is today's. All that is bought later is
filed under the same date: what is compared within a study is one model only if the provider kept it, and the date says
since when that is assumed. To buy anew, set `since` in the configuration to today: older vectors are then not used.

**What is paid for.** The answer to each request goes to the store before the next one is sent. Whatever stops the work
(Ctrl-C, a kill, a lost connection), only requests whose answers never arrived are sent again: one, since they are sent
one after the other.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.core.candidate import Model, Role
from sizewise.core.errors import InputError
from sizewise.encode.encoder import Encoder, Trust
from sizewise.encode.remote.again import Sender
from sizewise.encode.remote.endpoints import Endpoint, endpoint
from sizewise.encode.remote.sending import Sending, estimated, sendable
from sizewise.encode.remote.wire import Wire
from sizewise.store.store import Store


class RemoteEncoder(Encoder):
    """`remote:NAME`, where NAME is an endpoint of the configuration. Nothing is sent without `Trust.remote`."""

    in_requests = True

    def __init__(self, model: Model, trust: Trust | None = None) -> None:
        super().__init__(model, trust)
        if model.precision != Model("").precision or model.runtime != Model("").runtime:
            raise InputError(f"{model.name} runs elsewhere, at a precision of its own: leave out what stands behind @")
        self.endpoint: Endpoint = endpoint(self.argument)
        self._since = max(self.endpoint.since, datetime.now(UTC).date().isoformat())
        self._sender: Sender | None = None
        self._opening = threading.Lock()

    @property
    def identity(self) -> Mapping[str, Any]:
        return {**self._lasting, "since": self._since}

    @property
    def _lasting(self) -> dict[str, Any]:
        """The identity without its date."""
        one = self.endpoint
        return {
            "endpoint": one.url.rstrip("/"),
            "model": one.model,
            "dimensions": one.dimensions,
            "cut_bytes": one.cut_bytes,
        }

    def attach(self, store: Store) -> None:
        wanted = self._lasting.items()
        dates = [str(one["since"]) for one in store.identities() if wanted <= one.items() and "since" in one]
        self._since = max((date for date in dates if date >= self.endpoint.since), default=self._since)

    @property
    def dimensions(self) -> int:
        return self.endpoint.dimensions

    @property
    def max_tokens(self) -> int | None:
        return self.endpoint.max_tokens

    @property
    def price_per_million_tokens(self) -> float | None:
        return self.endpoint.price_per_million_tokens

    def load(self) -> None:
        """Open the connection. Raises InputError where nothing may be sent, or the key is missing."""
        self._open()

    def unload(self) -> None:
        if self._sender is not None:
            self._sender.wire.close()
            self._sender = None

    def encode(self, texts: Sequence[str], role: Role, prompt: str) -> npt.NDArray[np.float32]:
        parts = [part for _, part in self.encode_parts(texts, role, prompt)]
        return np.concatenate([np.empty((0, self.dimensions), dtype=np.float32), *parts])

    def encode_parts(
        self, texts: Sequence[str], role: Role, prompt: str
    ) -> Iterator[tuple[int, npt.NDArray[np.float32]]]:
        """One part a request. Raises InputError, before anything is sent, where the user has not allowed it."""
        if not len(texts):
            return
        if self.trust.remote is None:
            raise InputError(
                f"{self.model.name} would send {Sending.of(self.endpoint, texts, prompt)}; nothing was sent: allow it "
                "with --allow-remote"
            )
        sender = self._open()
        for batch in self._batches([sendable(prompt + text, self.endpoint.cut_bytes) for text in texts]):
            tokens = sum(_tokens(text) for text in batch)
            yield len(batch), sender.send(batch, tokens).vectors

    def check_export(self) -> None:
        raise InputError(
            f"{self.model.name} runs at {self.endpoint.host}, and nothing of it can be put into a bundle; build a "
            "candidate that runs here"
        )

    def _open(self) -> Sender:
        if self.trust.remote is None:
            raise InputError(f"{self.model.name} is at {self.endpoint.host}: allow sending with --allow-remote")
        with self._opening:
            if self._sender is None:
                self._sender = Sender(self.endpoint, self.trust.remote, Wire(self.endpoint))
            return self._sender

    def _batches(self, texts: Sequence[str]) -> Iterator[list[str]]:
        """Texts of one request each, within the endpoint's limits."""
        batch: list[str] = []
        used = 0.0
        for text in texts:
            needed = _tokens(text)
            if batch and (len(batch) == self.endpoint.batch_texts or used + needed > self.endpoint.batch_tokens):
                yield batch
                batch, used = [], 0.0
            batch.append(text)
            used += needed
        if batch:
            yield batch


def _tokens(text: str) -> float:
    return estimated(len(text.encode("utf-8")))
