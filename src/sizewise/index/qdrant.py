"""A Qdrant server or cluster: the engine somewhere else, with the same codes, graphs and questions as `index.edge`."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from sizewise.core.errors import RunError
from sizewise.index.edge import key
from sizewise.index.engine import BUILD_WIDTH, GRAPH_KB, OVERSAMPLING, SPARSE, Kind, Space, Stage
from sizewise.index.where import Condition, Value, Where
from sizewise.transform.transform import Vectors

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

Answer = TypeVar("Answer")
PUT, PUT_CHARACTERS = 128, 2_000_000
"""Documents of a request, and characters of theirs: a server takes 32 MB."""
SCROLLED = 1_000
TRIES, WAIT, LONGEST = 5, 0.5, 60.0
"""Of a request that did not arrive or was not done; the wait in seconds doubles each time, unless the server says how
long, and then it is the longest that is waited."""
FETCHED = 600.0
"""Seconds without a byte of a snapshot."""
SAID = 300
"""Characters of what a server says, in an error."""
PASSING = (408, 429, 500, 502, 503, 504)
"""HTTP's words for: try again."""


class Qdrant:
    """One collection. Threads may share one."""

    def __init__(self, client: "QdrantClient", collection: str, server: str, key: str | None = None) -> None:
        self._client, self._collection, self._server, self._key = client, collection, server, key

    @property
    def name(self) -> str:
        """Its URL."""
        return f"{self._server}/{self._collection}"

    def metadata(self) -> dict[str, Any] | None:
        """What was written down of the collection; None where there is no such collection."""
        if not self._asked(lambda: self._client.collection_exists(self._collection)):
            return None
        return dict(self._about().config.metadata or {})

    def create(
        self, spaces: Sequence[Space], metadata: Mapping[str, Any], shards: int | None, replicas: int | None
    ) -> None:
        """Make the collection."""
        from qdrant_client import models

        self._asked(
            lambda: self._client.create_collection(
                self._collection,
                vectors_config={space.name: _vectors(space) for space in spaces},
                optimizers_config=models.OptimizersConfigDiff(indexing_threshold=GRAPH_KB),
                on_disk_payload=True,
                shard_number=shards,
                replication_factor=replicas,
                metadata=dict(metadata),
            )
        )

    def note(self, metadata: Mapping[str, Any]) -> None:
        """Add to what is written down of the collection."""
        self._asked(lambda: self._client.update_collection(self._collection, metadata=dict(metadata)))

    def remove(self) -> None:
        """Delete the collection and all that is in it."""
        self._asked(lambda: self._client.delete_collection(self._collection))

    def put(self, ids: Sequence[int], vectors: Mapping[str, Vectors], payloads: Sequence[Mapping[str, Any]]) -> None:
        """Documents by their ids, with float32 [n, d] of each space, in place of what was there under these; when it
        returns, the server has them."""
        from qdrant_client import models

        for start, stop in _requests(payloads):
            points = [
                models.PointStruct(
                    id=ids[at],
                    vector={name: rows[at].tolist() for name, rows in vectors.items()},
                    payload=dict(payloads[at]),
                )
                for at in range(start, stop)
            ]
            self._asked(lambda points=points: self._client.upsert(self._collection, points, wait=True))  # type: ignore[misc]

    def delete(self, ids: Sequence[int]) -> None:
        from qdrant_client import models

        if ids:
            wanted = models.PointIdsList(points=list(ids))
            self._asked(lambda: self._client.delete(self._collection, wanted, wait=True))

    def index_fields(self, columns: Sequence[tuple[str, str]]) -> None:
        """See `Edge.index_fields`."""
        from qdrant_client import models

        kinds = models.PayloadSchemaType
        schemas = {"number": kinds.FLOAT, "text": kinds.KEYWORD, "truth": kinds.BOOL}
        for name, kind in columns:
            self._asked(
                lambda name=name, kind=kind: self._client.create_payload_index(  # type: ignore[misc]
                    self._collection, key(name), schemas[kind], wait=True
                )
            )

    def payloads(self, ids: Sequence[int], fields: Sequence[str] | None = None) -> dict[int, dict[str, Any]]:
        """What is known of those of the documents `ids` that are there: all, or only some `fields` of it."""
        if not ids:
            return {}
        wanted = list(fields) if fields else True
        found = self._asked(lambda: self._client.retrieve(self._collection, list(ids), with_payload=wanted))
        return {int(point.id): dict(point.payload or {}) for point in found}

    def every(self, field: str) -> Iterator[Any]:
        """One field of each document."""
        offset: Any = None
        while True:
            points, offset = self._asked(
                lambda at=offset: self._client.scroll(  # type: ignore[misc]
                    self._collection, limit=SCROLLED, offset=at, with_payload=[field]
                )
            )
            yield from ((point.payload or {}).get(field) for point in points)
            if offset is None:
                return

    def settle(self) -> bool:
        """Whether the server is through with building what makes search quick, or leaves it (grey) until something
        changes. Raises RunError when it failed."""
        about = self._about()
        if about.status.value == "red":
            why = getattr(about.optimizer_status, "error", None) or "its collection is red"
            raise RunError(f"the Qdrant server failed ({self.name}): {why[:SAID]}; look into its log, and index again")
        return about.status.value != "yellow"

    def snapshot(self) -> Iterator[bytes]:
        """Have the server make one, and fetch it; it stays there too. (The client makes them, but fetches none.)"""
        import httpx

        made = self._asked(lambda: self._client.create_snapshot(self._collection, wait=True))
        if made is None:
            raise RunError(f"the Qdrant server made no snapshot ({self.name})")
        url = f"{self._server}/collections/{quote(self._collection)}/snapshots/{quote(made.name)}"
        headers = {"api-key": self._key} if self._key else {}
        try:
            with httpx.stream("GET", url, headers=headers, timeout=FETCHED) as answer:
                answer.raise_for_status()
                yield from answer.iter_raw()
        except httpx.HTTPError as error:
            raise RunError(f"the snapshot {made.name} could not be fetched ({error}); it is on the server") from None

    def __len__(self) -> int:
        return int(self._asked(lambda: self._client.count(self._collection, exact=True)).count)

    def close(self) -> None:
        self._client.close()

    def query(self, stages: Sequence[Stage], where: Where) -> list[list[tuple[int, float]]]:
        from qdrant_client import models

        wanted = _filter(where)
        return self._answers(
            [
                models.QueryRequest(
                    query=stage.vector.tolist(),
                    using=stage.space.name,
                    prefetch=_prefetch(stage.before, where) if stage.before else None,
                    filter=wanted,
                    params=_params(stage, where),
                    limit=stage.limit,
                    with_payload=False,
                )
                for stage in stages
            ]
        )

    def scores(self, space: Space, vectors: Vectors, ids: Sequence[Sequence[int]]) -> list[dict[int, float]]:
        from qdrant_client import models

        exact = models.SearchParams(exact=True, quantization=models.QuantizationSearchParams(ignore=True))
        asked = [at for at, wanted in enumerate(ids) if wanted]
        answers = self._answers(
            [
                models.QueryRequest(
                    query=vectors[at].tolist(),
                    using=space.name,
                    filter=models.Filter(must=[models.HasIdCondition(has_id=list(ids[at]))]),
                    params=exact,
                    limit=len(ids[at]),
                    with_payload=False,
                )
                for at in asked
            ]
        )
        found: list[dict[int, float]] = [{} for _ in ids]
        for at, pairs in zip(asked, answers, strict=True):
            found[at] = dict(pairs)
        return found

    def _answers(self, requests: "list[models.QueryRequest]") -> list[list[tuple[int, float]]]:
        if not requests:
            return []
        every = self._asked(lambda: self._client.query_batch_points(self._collection, requests))
        return [[(int(point.id), float(point.score)) for point in one.points] for one in every]

    def _about(self) -> "models.CollectionInfo":
        return self._asked(lambda: self._client.get_collection(self._collection))

    def _asked(self, ask: Callable[[], Answer]) -> Answer:
        """What `ask` returns, which may be asked again. Raises RunError when the server does not answer, or refuses."""
        from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
        from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

        for attempt in range(TRIES):
            wait = WAIT * 2**attempt
            try:
                return ask()
            except UnexpectedResponse as error:
                if error.status_code not in PASSING or attempt == TRIES - 1:
                    raise RunError(f"the Qdrant server refused ({self.name}): {_said(error)}") from None
            except ApiException as error:
                if attempt == TRIES - 1:
                    raise RunError(
                        f"the Qdrant server does not answer ({self.name}): {error}; start it, or check the URL"
                    ) from None
            except QdrantException as error:  # 429 with a Retry-After header, which may hold a date instead of seconds
                if attempt == TRIES - 1:
                    said = str(error)[:SAID]
                    raise RunError(f"the Qdrant server has too much to do ({self.name}): {said}; try later") from None
                if isinstance(error, ResourceExhaustedResponse):
                    wait = min(max(error.retry_after_s, 0), LONGEST)
            time.sleep(wait)
        raise AssertionError


def _said(error: Any) -> str:
    """The server's own words; those of the client's exception hold all headers too."""
    if error.status_code in (401, 403):
        return "it wants a key; put it into the environment variable QDRANT_API_KEY"
    return f"{error.status_code} {error.content.decode(errors='replace')[:SAID]}"


def _requests(payloads: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, int]]:
    """Bounds of documents that go into one request."""
    start, characters = 0, 0
    for at, payload in enumerate(payloads):
        size = len(str(payload.get("text", "")))
        if at > start and (at - start >= PUT or characters + size > PUT_CHARACTERS):
            yield start, at
            start, characters = at, 0
        characters += size
    if start < len(payloads):
        yield start, len(payloads)


def _vectors(space: Space) -> "models.VectorParams":
    from qdrant_client import models

    smaller: Any = None
    if space.kind is Kind.WHOLE:
        eight = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, always_ram=True)
        smaller = models.ScalarQuantization(scalar=eight)
    elif space.kind is Kind.SIGNS:
        smaller = models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True))
    elif space.kind is Kind.SIGNS_OF_FLOATS:
        asked = models.BinaryQuantizationQueryEncoding.SCALAR8BITS
        smaller = models.BinaryQuantization(
            binary=models.BinaryQuantizationConfig(always_ram=True, query_encoding=asked)
        )
    return models.VectorParams(
        size=space.dimensions,
        distance=models.Distance.DOT,
        datatype=models.Datatype.FLOAT16 if space.number_bytes == 2 else models.Datatype.FLOAT32,
        quantization_config=smaller,
        hnsw_config=models.HnswConfigDiff(
            m=space.links, ef_construct=BUILD_WIDTH, full_scan_threshold=space.looked_at_kb
        ),
        on_disk=smaller is not None or not space.walked,
    )


def _prefetch(stage: Stage, where: Where) -> "models.Prefetch":
    from qdrant_client import models

    return models.Prefetch(
        query=stage.vector.tolist(),
        using=stage.space.name,
        prefetch=_prefetch(stage.before, where) if stage.before else None,
        filter=_filter(where),
        params=_params(stage, where),
        limit=stage.limit,
    )


def _params(stage: Stage, where: Where) -> "models.SearchParams":
    from qdrant_client import models

    again = models.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING[stage.space.kind])
    sparse = models.AcornSearchParams(enable=bool(where), max_selectivity=SPARSE)
    return models.SearchParams(hnsw_ef=stage.width(where), quantization=again, acorn=sparse)


def _filter(where: Where) -> "models.Filter | None":
    from qdrant_client import models

    return models.Filter(must=[_condition(one) for one in where.conditions]) if where else None


def _condition(condition: Condition) -> Any:
    from qdrant_client import models

    name = key(condition.field)
    if condition.is_range:
        return models.FieldCondition(key=name, range=models.Range(gte=condition.least, lte=condition.most))
    return models.Filter(should=[_equal(name, value) for value in condition.values])


def _equal(name: str, value: Value) -> Any:
    from qdrant_client import models

    if isinstance(value, str | bool):
        return models.FieldCondition(key=name, match=models.MatchValue(value=value))
    return models.FieldCondition(key=name, range=models.Range(gte=value, lte=value))
