"""Results as MTEB's `ResultCache` keeps them: results/MODEL/REVISION/TASK.json, and model_meta.json beside them.

What Sizewise does not know is null, or MTEB's own word for it: the revision of a model, its licence and training data,
the languages of a task. The tasks are the user's, not MTEB's, whatever they are called.

The fields are those of `TaskResult` and `ModelMeta` of the mteb package, version 2.
"""

import re
from typing import Any

import numpy as np

from sizewise.core.candidate import Candidate, Embed, is_hybrid
from sizewise.core.grammar import parse
from sizewise.decide.evidence import TaskFacts
from sizewise.report.export.folder import Folder
from sizewise.report.export.names import file_names
from sizewise.store.files import to_json
from sizewise.study.run import Run

NO_REVISION = "no_revision_available"
"""MTEB's word for a revision that is not known; a folder's name, so it cannot be null."""
METRICS = {"spearman": "cosine_spearman", "average_precision": "cosine_ap"}
"""What MTEB calls a metric, where that is not our name for it."""


def write(run: Run, candidates: list[str], folder: Folder) -> None:
    """One file a candidate and task of quality, and one of metadata a candidate, in a folder that MTEB reads."""
    evidence = run.evidence
    models = file_names(evidence.candidates)
    tasks = file_names([task.name for task in evidence.tasks])
    for name in candidates:
        if name not in models:
            continue  # a shape has no scores
        at = evidence.candidates.index(name)
        place = ("results", f"sizewise__{models[name]}", NO_REVISION)
        for task, compared in zip(evidence.tasks, evidence.compared, strict=True):
            if task.is_quality and not np.isnan(compared.points[at]):
                scores = (compared.points[at], compared.low[at], compared.high[at])
                one = result(run, name, task, tasks[task.name], scores)
                folder.write((*place, f"{tasks[task.name]}.json"), [to_json(one)])
        folder.write((*place, "model_meta.json"), [to_json(model_meta(run, name, f"sizewise/{models[name]}"))])
    if left := [task.name for task in evidence.tasks if not task.is_quality]:
        folder.notes.append(f"Left out, as agreement with a reference is not quality: {', '.join(left)}.")
    folder.notes.append(
        f"Read them with mteb.ResultCache({str(folder.path)!r}); the tasks are yours and not those of MTEB, whatever "
        "they are called."
    )


def result(run: Run, name: str, task: TaskFacts, task_name: str, scores: tuple[float, float, float]) -> dict[str, Any]:
    """One candidate on one task. `scores` are the score and its 95% interval in points; MTEB's are a hundredth."""
    score, low, high = (float(value) / 100 for value in scores)
    fingerprints = {one["name"]: one["fingerprint"] for one in run.about["tasks"]}
    return {
        "dataset_revision": fingerprints[task.name],
        "task_name": task_name,
        "mteb_version": None,
        "scores": {
            "test": [
                {
                    metric_name(task.metric): score,
                    "main_score": score,
                    "hf_subset": "default",
                    "languages": [],
                    "ci95_low": low,
                    "ci95_high": high,
                    "units": task.units,
                }
            ]
        },
        "evaluation_time": None,
        "kg_co2_emissions": None,
        "sizewise": {
            "version": run.about["environment"]["versions"].get("sizewise"),
            "candidate": name,
            "task": task.name,
            "kind": task.kind,
            "metric": task.metric,
        },
    }


def model_meta(run: Run, name: str, model_name: str) -> dict[str, Any]:
    """What MTEB wants to know of a model, as far as the run knows it."""
    candidate = parse(name)
    plain = str(candidate.plain) if isinstance(candidate, Embed) else None
    limits = {one["model"]: one["limit"] for one in run.about["truncation"]}
    return {
        "loader": None,
        "name": model_name,
        "revision": NO_REVISION,
        "release_date": None,
        "languages": None,
        "n_parameters": run.evidence.figures[name].parameters,
        "memory_usage_mb": None,
        "max_tokens": None if plain is None else limits.get(plain),
        "embed_dim": None,
        "license": None,
        "open_weights": None,
        "public_training_code": None,
        "public_training_data": None,
        "framework": [],
        "reference": None,
        "similarity_fn_name": None,
        "use_instructions": None,
        "training_datasets": None,
        "adapted_from": candidate.model.name if isinstance(candidate, Embed) else None,
        "superseded_by": None,
        "modalities": ["text"],
        "model_type": [_type(candidate)],
    }


def metric_name(metric: str) -> str:
    """`ndcg@10` -> `ndcg_at_10`."""
    return METRICS.get(metric) or re.sub(r"\W+", "_", metric.replace("@", "_at_"))


def _type(candidate: Candidate) -> str:
    if is_hybrid(candidate):
        return "router"
    return "dense" if isinstance(candidate, Embed) else "sparse"
