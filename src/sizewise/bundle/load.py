"""From a bundle to a live pipeline, without a store, a task or the model that it was made from."""

from dataclasses import dataclass, field
from pathlib import Path

from sizewise.bundle import parameters
from sizewise.bundle.layout import PIPELINE, Layout
from sizewise.core.candidate import Asym, Cross, Embed, Lexical, Model, Part, leaves
from sizewise.core.errors import InputError
from sizewise.core.extras import require
from sizewise.encode.encoder import Encoder, Trust
from sizewise.encode.resolve import encoder_class
from sizewise.pipeline.live import EmbedPipeline, Pipeline
from sizewise.pipeline.parts import put_together
from sizewise.transform.align import Alignment


def load_bundle(path: Path | str, trust: Trust | None = None) -> Pipeline:
    """The pipeline in the folder `path`; weights load with the first text.

    Whether the files are those that were written is for `verify` to tell. Raises InputError when `path` is no bundle,
    or is not whole, MissingExtra when what it runs on is not installed.
    """
    return Bundle.open(path, trust).pipeline()


@dataclass
class Bundle:
    """A bundle from which pipelines are put together: any number of them, of the same encoders."""

    folder: Path
    layout: Layout
    trust: Trust | None = None
    encoders: dict[str, Encoder] = field(default_factory=dict)
    """By their folder in the bundle, each once."""

    @classmethod
    def open(cls, path: Path | str, trust: Trust | None = None) -> "Bundle":
        """Raises as `load_bundle`."""
        folder = Path(path)
        layout = Layout.read(folder)
        if isinstance(layout.candidate, Cross):
            raise InputError(f"{folder / PIPELINE}: {layout.candidate} finds nothing by itself; build the bundle again")
        if any(isinstance(one, Lexical) for one in leaves(layout.candidate)):
            require("bm25s", f"a bundle of {layout.candidate}")
        return cls(folder, layout, trust)

    def pipeline(self) -> Pipeline:
        """A pipeline with nothing indexed yet."""
        assert not isinstance(self.layout.candidate, Cross)
        return put_together(self.layout.candidate, self)

    def embed(self, one: Embed) -> EmbedPipeline:
        part = self.part(one)
        encoder = self.encoder(part, one.model)
        cosine = part.similarity == "cosine"
        chain = parameters.load(self.folder / part.learned, one.steps, part.incoming, cosine=cosine)
        return EmbedPipeline(encoder, dict(part.prompts or {}), chain, one.rescore)

    def cross(self, one: Cross) -> Encoder:
        return self.encoder(self.part(one), one.scorer)

    def aligned(self, one: Asym) -> tuple[Encoder, str, Alignment]:
        part = self.part(one)
        arrays = parameters.load_arrays(self.folder / part.learned)
        alignment = Alignment(arrays["matrix"], arrays["offset"])
        return self.encoder(part, one.queries.model), (part.prompts or {}).get("query", ""), alignment

    def part(self, one: Part) -> Layout:
        """Where `one` lies. Raises InputError when the bundle does not say."""
        for part in (self.layout, *self.layout.parts):
            if part.candidate == one and part.model is not None:
                return part
        raise InputError(f"{self.folder / PIPELINE} does not say where {one} is; build the bundle again")

    def encoder(self, part: Layout, model: Model) -> Encoder:
        where = part.model or "."
        if where not in self.encoders:
            made = encoder_class(model).restore(self.folder / where, model, part.encoder or {}, self.trust)
            self.encoders[where] = made
        return self.encoders[where]
