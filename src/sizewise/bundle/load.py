"""From a bundle to a live pipeline, without a store, a task or the model that it was made from."""

from pathlib import Path

from sizewise.bundle import parameters
from sizewise.bundle.layout import TRANSFORMS, Layout
from sizewise.core.candidate import Embed
from sizewise.core.extras import require
from sizewise.encode.encoder import Trust
from sizewise.encode.resolve import encoder_class
from sizewise.pipeline.live import EmbedPipeline, LexicalPipeline


def load_bundle(path: Path | str, trust: Trust | None = None) -> EmbedPipeline | LexicalPipeline:
    """The pipeline in the folder `path`; weights load with the first text.

    Whether the files are those that were written is for `verify` to tell. Raises InputError when `path` is no bundle,
    or is not whole, MissingExtra when what it runs on is not installed.
    """
    folder = Path(path)
    layout = Layout.read(folder)
    candidate = layout.candidate
    if not isinstance(candidate, Embed):
        require("bm25s", f"a bundle of {candidate}")
        return LexicalPipeline()
    encoder = encoder_class(candidate.model).restore(
        folder / (layout.model or "."), candidate.model, layout.encoder or {}, trust
    )
    cosine = layout.similarity == "cosine"
    chain = parameters.load(folder / TRANSFORMS, candidate.steps, layout.incoming, cosine=cosine)
    return EmbedPipeline(encoder, dict(layout.prompts or {}), chain, candidate.rescore)
