"""The model card of a bundle: what it is, how to use it, what was measured. What users wrote is escaped."""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson

from sizewise.bundle.layout import Layout
from sizewise.core.candidate import Cross, Embed
from sizewise.core.markdown import cell, code, escaped
from sizewise.core.registry import TRANSFORMS
from sizewise.cost.figures import written
from sizewise.encode.folder import DEFAULT_MODEL
from sizewise.pipeline.live import EmbedPipeline, LexicalPipeline, Pipeline

COSTS = {
    "p50_ms": "median latency, ms",
    "p95_ms": "95th percentile of latency, ms",
    "texts_per_s": "texts a second in bulk",
    "memory_mb": "memory with the index, MB",
    "load_s": "start-up, s",
    "disk_mb": "weights on disk, MB",
    "bytes_per_vector": "bytes a vector",
    "parameters": "parameters",
    "monthly_cost": "cost a month, in the user's currency",
}


def card(layout: Layout, pipeline: Pipeline, about: Mapping[str, Any]) -> str:
    """Markdown, with the header that the Hugging Face hub reads. `about` as in `write`."""
    parts = (
        _header(layout),
        _what(layout, pipeline, about),
        _use(layout),
        _measured(about),
        *_engine(about.get("engine")),
        _costs(about.get("cost")),
        _decided(about),
        _verify(),
    )
    return "\n".join(line for part in parts for line in (*part, ""))


def number(value: float | None) -> str:
    """A figure with the digits that matter."""
    return "-" if value is None else written(value)


def _header(layout: Layout) -> Iterator[str]:
    yield "---"
    if layout.loads_elsewhere:
        yield "library_name: sentence-transformers"
        yield "pipeline_tag: sentence-similarity"
    else:
        yield "library_name: sizewise"
    if isinstance(layout.candidate, Embed) and (base := _hub_name(layout.candidate.model.name)):
        yield f"base_model: {orjson.dumps(base).decode()}"
    yield "tags:"
    yield from ("- sizewise", "- sentence-transformers", "- feature-extraction")[: 3 if layout.loads_elsewhere else 1]
    yield "---"


def _hub_name(name: str) -> str | None:
    """The name as the hub knows it, where it is one; a folder has none."""
    if name == DEFAULT_MODEL:
        return f"sentence-transformers/{name}"
    return name if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", name) and not Path(name).is_dir() else None


def _what(layout: Layout, pipeline: Pipeline, about: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {code(str(layout.candidate))}"
    yield ""
    if isinstance(pipeline, LexicalPipeline):
        yield "Lexical search: documents are ranked by the words that they share with a query (BM25). No model."
        return
    if not isinstance(pipeline, EmbedPipeline):
        yield from _stages(layout, pipeline, about)
        return
    chain, compared = pipeline.chain, "cosine" if layout.similarity == "cosine" else "dot product"
    yield (
        f"A text-embedding pipeline: {chain.dimensions:,} dimensions, {pipeline.bytes_per_vector:,.0f} bytes a stored "
        f"document, compared by {compared}. Built by Sizewise {version('sizewise')}. The licence is that of the model "
        f"that it was made from, {code(pipeline.encoder.model.name)}."
    )
    if about.get("fitted_on"):
        yield ""
        yield f"Its transforms were fitted on text of the task {code(about['fitted_on'])}."


def _stages(layout: Layout, pipeline: Pipeline, about: Mapping[str, Any]) -> Iterator[str]:
    models = dict.fromkeys(
        part.candidate.model.name for part in layout.parts if isinstance(part.candidate, Embed | Cross)
    )
    yield (
        f"A search pipeline of several stages ({pipeline.bytes_per_vector or 0:,.0f} bytes a stored document), built "
        f"by Sizewise {version('sizewise')}. Its licence is that of the models in it: "
        f"{', '.join(map(code, models)) or 'none'}."
    )
    if about.get("chosen"):
        yield ""
        yield f"It is {code(about['chosen'])}, with the weights and thresholds that were found."
    if about.get("fitted_on"):
        yield ""
        yield f"What in it is fitted or tuned was so on the task {code(about['fitted_on'])}."


def _use(layout: Layout) -> Iterator[str]:
    yield "## Use"
    yield ""
    if layout.loads_elsewhere:
        yield from ("```python", "from sentence_transformers import SentenceTransformer", "")
        yield from (
            'model = SentenceTransformer("path/to/this/folder")',
            'queries = model.encode_query(["a question"])',
        )
        yield from ('documents = model.encode_document(["a text", "another"])',)
        yield from ("print(model.similarity(queries, documents))", "```", "")
        if left_out := _left_out(layout):
            yield f"These are the vectors before {left_out}, which sentence-transformers does not apply."
            yield ""
    elif isinstance(layout.candidate, Embed):
        yield (
            "One of its transforms cannot be expressed in sentence-transformers, so this folder is not for it. "
            "With Sizewise:"
        )
        yield ""
    if layout.loads_elsewhere:
        yield from ("The whole pipeline as it was measured:", "")
    yield from ("```python", "from sizewise import load_bundle", "")
    yield from ('pipeline = load_bundle("path/to/this/folder")', 'pipeline.index(["a text", "another"])')
    yield from ('positions, scores = pipeline.search(["a question"], 10)', "```")


def _left_out(layout: Layout) -> str:
    candidate = layout.candidate
    assert isinstance(candidate, Embed)
    steps = [str(step) for step in candidate.steps if TRANSFORMS.get(step.name).is_quantiser]
    if candidate.rescore:
        steps.append(f"rescoring of the first {candidate.rescore} results")
    return " and ".join(steps)


def _measured(about: Mapping[str, Any]) -> Iterator[str]:
    yield "## Measured"
    yield ""
    rows: Sequence[Mapping[str, Any]] = about.get("measured") or ()
    if not rows:
        yield "Not measured."
        return
    yield "| task | metric | score | 95% interval | units | |"
    yield "|---|---|---:|---:|---:|---|"
    for row in rows:
        low, high = row["ci95"]
        notes = [] if row["fitted_here"] else [f"transforms fitted on text of {escaped(about['fitted_on'])}"]
        if row["approximate"]:
            notes.append(f"interval approximate: {escaped(row['approximate'])}")
        if row["reference"]:
            notes.append(f"agreement with {cell(row['reference'])}, not quality")
        yield (
            f"| {cell(row['task'])} | {cell(row['metric'])} | {row['value']:.2f} | {low:.2f} to {high:.2f} | "
            f"{row['units']:,} | {'; '.join(notes)} |"
        )


def _engine(engine: Mapping[str, Any] | None) -> Iterator[Iterator[str]]:
    """How far its vectors are from the reference's, in a sentence; nothing for the reference itself."""
    if engine:
        yield iter(("## Engine", "", f"{escaped(engine['sentence'])}."))


def _costs(cost: Mapping[str, Any] | None) -> Iterator[str]:
    yield "## Cost"
    yield ""
    if not cost:
        yield "Not measured."
        return
    yield "| figure | composed of its parts | measured end to end |"
    yield "|---|---:|---:|"
    whole = cost.get("end_to_end") or {}
    for name, words in COSTS.items():
        values = [cost["figures"].get(name), whole.get(name)]
        if any(value is not None for value in values):
            yield f"| {words} | {' | '.join(map(number, values))} |"
    where = cost["environment"]
    yield ""
    yield (
        f"On {escaped(str(where['processor']))}, {where['threads']} threads"
        f"{', ' + escaped(str(where['accelerator'])) if where.get('accelerator') else ''}, "
        f"Python {where['python']}, torch {where['versions'].get('torch', 'not installed')}."
    )


def _decided(about: Mapping[str, Any]) -> Iterator[str]:
    yield "## How it was chosen"
    yield ""
    for sentence in about.get("decided") or ("By name; nothing was compared.",):
        yield f"- {escaped(sentence)}"


def _verify() -> Iterator[str]:
    yield "## Check it"
    yield ""
    yield from ("```console", "$ sizewise verify path/to/this/folder", "```", "")
    yield (
        "This checks that the files are those that were written and that the pipeline answers as it did then. It is a "
        "check of integrity, not of authorship: whoever can write the files can write a certificate for them."
    )
