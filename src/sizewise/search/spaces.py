"""What an engine keeps of a document for a pipeline: codes of each part that stores some."""

from collections.abc import Sequence

from sizewise.index.engine import Space, spaces, stored
from sizewise.pipeline.live import EmbedPipeline, Pipeline
from sizewise.pipeline.parts import dense, searched
from sizewise.transform.transform import Vectors


def every_space(pipeline: Pipeline) -> list[Space]:
    """Of all parts, numbered as `dense` tells them."""
    walked = {id(part) for part in searched(pipeline)}
    return [
        space
        for number, part in enumerate(dense(pipeline))
        for space in spaces(number, part.chain, part.rescore, walked=id(part) in walked)
    ]


def every_code(parts: Sequence[EmbedPipeline], vectors: Sequence[Vectors]) -> dict[str, Vectors]:
    """What goes there, float32 [n, d'] by the names of spaces, for float32 [n, d] of each part."""
    every = (stored(number, part.chain, part.rescore, vectors[number]) for number, part in enumerate(parts))
    return {name: codes for some in every for name, codes in some}
