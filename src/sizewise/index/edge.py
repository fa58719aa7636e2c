"""Qdrant Edge: the engine within this process, in a folder."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sizewise.core.environment import processors
from sizewise.core.errors import RunError
from sizewise.index.engine import BUILD_WIDTH, GRAPH_KB, OVERSAMPLING, SPARSE, Kind, Space, Stage
from sizewise.index.where import Condition, Value, Where
from sizewise.transform.transform import Vectors

if TYPE_CHECKING:
    import qdrant_edge

FIELDS = "fields"
"""Where in a document's payload its fields are."""
UNFINISHED = "temp_segments"
"""Where a shard builds."""
TRUTHS = "truths"
"""Where truth values are, as words: what asks for True is taken to ask for the number 1, and finds nothing."""
ONE_SEGMENT_KB = 2**40
"""Segments are merged into as few as there may be: each is searched on its own."""


class Edge:
    """A shard. Threads may share one."""

    def __init__(self, shard: "qdrant_edge.EdgeShard") -> None:
        self._shard = shard

    @classmethod
    def create(cls, folder: Path, spaces: Sequence[Space]) -> Self:
        """A new one in the folder, which is there and empty."""
        import qdrant_edge as edge

        config = edge.EdgeConfig(
            vectors={space.name: _vectors(space) for space in spaces},
            optimizers=edge.EdgeOptimizersConfig(
                default_segment_number=1, max_segment_size=ONE_SEGMENT_KB, indexing_threshold=GRAPH_KB
            ),
            # The catalog is the log: what a shard has not on disk is put there again.
            wal_enabled=False,
        )
        with _told("made"):
            return cls(edge.EdgeShard.create(str(folder), config))

    @classmethod
    def load(cls, folder: Path, *, alone: bool = False) -> Self:
        """The one in the folder, which must be writable even if it is only asked. `alone`: nobody else has it open, and
        what was left by an `optimise` that was killed, as much again each time, can go."""
        import qdrant_edge as edge

        if alone:
            shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        with _told("opened"):
            return cls(edge.EdgeShard.load(str(folder)))

    def close(self) -> None:
        with _told("closed"):
            self._shard.close()

    def put(self, ids: Sequence[int], vectors: Mapping[str, Vectors], fields: Sequence[Mapping[str, Any]]) -> None:
        """Documents by their ids, with float32 [n, d] of each space, in place of what was there under these."""
        import qdrant_edge as edge

        points = [
            edge.Point(one, {name: rows[at].tolist() for name, rows in vectors.items()}, _payload(fields[at]))
            for at, one in enumerate(ids)
        ]
        with _told("written"):
            self._shard.update(edge.UpdateOperation.upsert_points(points))

    def delete(self, ids: Sequence[int]) -> None:
        import qdrant_edge as edge

        with _told("written"):
            self._shard.update(edge.UpdateOperation.delete_points(list(ids)))

    def index_fields(self, columns: Sequence[tuple[str, str]]) -> None:
        """Have these fields found quickly, each by the kind of its values; others are found too."""
        import qdrant_edge as edge

        kinds = edge.PayloadSchemaType
        schemas = {"number": kinds.Float, "text": kinds.Keyword, "truth": kinds.Keyword}
        with _told("written"):
            for name, kind in columns:
                path = key(name, TRUTHS if kind == "truth" else FIELDS)
                self._shard.update(edge.UpdateOperation.create_field_index(path, schemas[kind]))

    def flush(self) -> None:
        """When this returns, what was put is on disk."""
        with _told("written"):
            self._shard.flush()

    def optimise(self) -> None:
        """Build what makes search quick."""
        with _told("optimised"):
            self._shard.optimize()
            self._shard.flush()

    def __len__(self) -> int:
        import qdrant_edge as edge

        with _told("asked"):
            return self._shard.count(edge.CountRequest(exact=True))

    def query(self, stages: Sequence[Stage], where: Where) -> list[list[tuple[int, float]]]:
        import qdrant_edge as edge

        wanted = _filter(where)
        requests = [
            edge.QueryRequest(
                stage.limit,
                query=_nearest(stage.space, stage.vector),
                prefetches=[_prefetch(stage.before, where)] if stage.before else None,
                filter=wanted,
                params=_params(stage, where),
                with_payload=False,
            )
            for stage in stages
        ]
        return self._answers(requests)

    def scores(self, space: Space, vectors: Vectors, ids: Sequence[Sequence[int]]) -> list[dict[int, float]]:
        import qdrant_edge as edge

        exact = edge.SearchParams(exact=True, quantization=edge.QuantizationSearchParams(ignore=True))
        asked = [at for at, wanted in enumerate(ids) if wanted]
        requests = [
            edge.QueryRequest(
                len(ids[at]),
                query=_nearest(space, vectors[at]),
                filter=edge.Filter(must=[edge.HasIdCondition(set(ids[at]))]),
                params=exact,
                with_payload=False,
            )
            for at in asked
        ]
        found: list[dict[int, float]] = [{} for _ in ids]
        for at, pairs in zip(asked, self._answers(requests), strict=True):
            found[at] = dict(pairs)
        return found

    def _answers(self, requests: "list[qdrant_edge.QueryRequest]") -> list[list[tuple[int, float]]]:
        import qdrant_edge as edge

        with _told("asked"):
            if len(requests) == 1:
                every = [self._shard.query(requests[0])]
            else:
                every = self._shard.query_batch(edge.QueryBatchRequest(requests)) if requests else []
        return [[(int(point.id), float(point.score)) for point in points] for points in every]


@contextmanager
def _told(doing: str) -> Iterator[None]:
    """What the engine raises are plain exceptions."""
    try:
        yield
    except Exception as error:
        raise RunError(
            f"Qdrant Edge: the shard could not be {doing} ({error}); search with --exact does without"
        ) from error


def key(field: str, within: str = FIELDS) -> str:
    """The path of a field in a payload, whatever stands in its name."""
    return f'{within}."{field}"'


def _payload(fields: Mapping[str, Any]) -> dict[str, Any]:
    truths = {name: str(value) for name, value in fields.items() if isinstance(value, bool)}
    return {FIELDS: {name: value for name, value in fields.items() if name not in truths}, TRUTHS: truths}


def _vectors(space: Space) -> "qdrant_edge.EdgeVectorParams":
    import qdrant_edge as edge

    smaller: Any = None
    if space.kind is Kind.WHOLE:
        smaller = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, memory=edge.Memory.Pinned)
    elif space.kind is Kind.SIGNS:
        smaller = edge.BinaryQuantizationConfig(memory=edge.Memory.Pinned)
    elif space.kind is Kind.SIGNS_OF_FLOATS:
        eight = edge.BinaryQuantizationQueryEncoding.Scalar8Bits
        smaller = edge.BinaryQuantizationConfig(query_encoding=eight, memory=edge.Memory.Pinned)
    types = edge.VectorStorageDatatype
    return edge.EdgeVectorParams(
        space.dimensions,
        edge.Distance.Dot,
        datatype=types.Float16 if space.number_bytes == 2 else types.Float32,
        quantization_config=smaller,
        hnsw_config=edge.HnswIndexConfig(space.links, BUILD_WIDTH, space.looked_at_kb, processors()),
        memory=edge.Memory.Cached if space.walked and not smaller else edge.Memory.Cold,
    )


def _nearest(space: Space, vector: Vectors) -> "qdrant_edge.Query":
    import qdrant_edge as edge

    return edge.Query.Nearest(vector.tolist(), using=space.name)


def _prefetch(stage: Stage, where: Where) -> "qdrant_edge.Prefetch":
    import qdrant_edge as edge

    return edge.Prefetch(
        stage.limit,
        query=_nearest(stage.space, stage.vector),
        prefetches=[_prefetch(stage.before, where)] if stage.before else None,
        params=_params(stage, where),
        filter=_filter(where),
    )


def _params(stage: Stage, where: Where) -> "qdrant_edge.SearchParams":
    import qdrant_edge as edge

    again = edge.QuantizationSearchParams(rescore=True, oversampling=OVERSAMPLING[stage.space.kind])
    sparse = edge.AcornSearchParams(enable=bool(where), max_selectivity=SPARSE)
    return edge.SearchParams(hnsw_ef=stage.width(where), quantization=again, acorn=sparse)


def _filter(where: Where) -> "qdrant_edge.Filter | None":
    import qdrant_edge as edge

    return edge.Filter(must=[_condition(one) for one in where.conditions]) if where else None


def _condition(condition: Condition) -> Any:
    import qdrant_edge as edge

    if condition.is_range:
        return edge.FieldCondition(key(condition.field), range=edge.RangeFloat(gte=condition.least, lte=condition.most))
    return edge.Filter(should=[_equal(condition.field, value) for value in condition.values])


def _equal(field: str, value: Value) -> Any:
    import qdrant_edge as edge

    if isinstance(value, bool):
        return edge.FieldCondition(key(field, TRUTHS), match=edge.MatchValue(str(value)))
    if isinstance(value, str):
        return edge.FieldCondition(key(field), match=edge.MatchValue(value))
    return edge.FieldCondition(key(field), range=edge.RangeFloat(gte=value, lte=value))
