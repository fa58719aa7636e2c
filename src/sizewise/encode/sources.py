"""Where the network of a model comes from, by the scheme of its name."""

from sizewise.core.candidate import Model
from sizewise.core.errors import InputError
from sizewise.core.shapes import parse_shape
from sizewise.encode.cross import CrossSource
from sizewise.encode.encoder import Trust, scheme
from sizewise.encode.folder import locate
from sizewise.encode.source import FolderSource, ShapeSource, Source


def source(model: Model, trust: Trust) -> Source:
    """Raises InputError when there is none that other runtimes than torch can run."""
    match scheme(model.name):
        case None:
            return FolderSource(locate(model.name, trust), model.name, trust)
        case "shape", shape:
            return ShapeSource(parse_shape(shape))
        case "cross", name:
            return CrossSource.of(model, name, trust)
        case kind, _:
            raise InputError(f"{model.name}: a {kind} model runs in one way only; leave out the runtime")
