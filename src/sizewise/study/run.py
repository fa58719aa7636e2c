"""A finished run on disk: raw records, matrices, and the decision, which can be taken again without running a model."""

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PureWindowsPath
from typing import Any

import numpy as np
import orjson
import portalocker
import pyarrow as pa
import pyarrow.parquet as pq

from sizewise.core.candidate import Candidate
from sizewise.core.errors import InputError
from sizewise.cost.figures import Figures
from sizewise.cost.price import Prices, priced
from sizewise.data.task import Raw, Task
from sizewise.decide.evidence import Evidence
from sizewise.decide.presets import preset_terms
from sizewise.decide.recommendation import Recommendation, decide
from sizewise.decide.terms import Terms
from sizewise.store.files import atomic, write_json
from sizewise.study.source import Source

SCHEMA = 2

RECORDS = pa.schema(
    [
        ("candidate", pa.dictionary(pa.int32(), pa.string())),
        ("task", pa.dictionary(pa.int32(), pa.string())),
        ("unit", pa.string()),
        ("group", pa.int64()),
        ("slice", pa.string()),
        ("value", pa.float64()),
        ("score", pa.float64()),
        ("ids", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float32())),
        ("labels", pa.list_(pa.string())),
        ("clusters", pa.list_(pa.int32())),
    ]
)
"""records.parquet: one row a candidate, task and unit; columns that a kind of task has no use for are null."""


@dataclass(frozen=True)
class RunFolder:
    """Where a run lives."""

    path: Path

    @classmethod
    def named(cls, name: str) -> "RunFolder":
        """`runs/NAME`. Raises InputError for a name that is not that of one folder: names come from study files, and
        a study file cannot make the program write outside its run folder."""
        windows = PureWindowsPath(name)  # its rules take in those of other systems
        if name == ".." or windows.drive or windows.parts != (name,) or not name.isprintable():
            raise InputError(
                f"name {name!r} cannot name the run folder runs/NAME; leave out / and \\, control characters and '..'"
            )
        return cls(Path("runs") / name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Make the folder and keep others out of it. Raises InputError when it cannot be written or is in use."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = portalocker.Lock(self.path / ".lock", mode="a", timeout=0.5)
            lock.acquire()
        except OSError as error:
            raise InputError(
                f"the run folder {self.path} cannot be written ({error.strerror}); choose another --out"
            ) from None
        except portalocker.exceptions.LockException:
            raise InputError(
                f"another process is running a study in {self.path}; wait for it or choose another --out"
            ) from None
        try:
            yield
        finally:
            lock.release()


@dataclass(frozen=True)
class Run:
    """A finished run: what was measured and the terms it was decided under."""

    folder: Path
    evidence: Evidence
    terms: Terms
    about: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path | str) -> "Run":
        """Read a run. Raises InputError when `folder` holds no finished one."""
        path = Path(folder)
        try:
            about = orjson.loads((path / "run.json").read_bytes())
        except FileNotFoundError:
            raise InputError(f"{path} holds no finished run: there is no run.json; run the study first") from None
        except (OSError, orjson.JSONDecodeError) as error:
            raise InputError(f"{path / 'run.json'} cannot be read ({error}); run the study again") from None
        if about.get("schema") != SCHEMA:
            raise InputError(
                f"{path / 'run.json'} has schema {about.get('schema')}, and this version reads {SCHEMA}; run the study "
                "again"
            )
        try:
            evidence = Evidence.load(about["evidence"], path / "matrices.npz")
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path / 'matrices.npz'} does not belong to run.json ({error}); run the study again"
            ) from None
        return cls(path, evidence, Terms(**about["terms"]), about)

    @classmethod
    def write(
        cls,
        folder: RunFolder,
        evidence: Evidence,
        terms: Terms,
        about: Mapping[str, Any],
        tasks: Sequence[Task],
        candidates: Sequence[Candidate],
        raws: Mapping[str, Mapping[Candidate, Raw]],
        references: Mapping[str, Raw | None],
    ) -> "Run":
        """Write everything; run.json last, since it says that the run is finished. An earlier run's goes first."""
        (folder.path / "run.json").unlink(missing_ok=True)
        write_records(folder.path / "records.parquet", tasks, candidates, raws, references)
        with atomic(folder.path / "matrices.npz") as file:
            evidence.save_matrices(file)
        write_json(folder.path / "recommendation.json", decide(evidence, terms).to_json())
        found = {"schema": SCHEMA, **about, "terms": asdict(terms), "evidence": evidence.to_json()}
        write_json(folder.path / "run.json", found)
        return cls.load(folder.path)

    def recommend(self, **changed: Any) -> Recommendation:
        """Decide under the run's terms with changes: `minimise`, `margin`, `margins`, or any limit (`p95_ms=20`).

        A limit of None lifts it. A `preset` stands in for the run's own terms; other changes come on top of it.
        Raises InputError for a name that is no cost, or no preset.
        """
        return decide(self.evidence, changed_terms(self.terms, changed))

    def tasks(self) -> list[Task]:
        """The run's tasks, read from their folders again. Raises InputError when one is gone or has changed."""
        return [Source(**one).load() for one in self.about["tasks"]]

    def repriced(self, **changed: float) -> "Run":
        """The same run at other prices."""
        prices = Prices(**({**self.about["prices"]} | changed))
        repriced = {**self.about.get("repriced", {}), **changed}
        documents = int(self.about["documents"])

        def again(figures: Mapping[str, Figures]) -> dict[str, Figures]:
            return {name: priced(found, prices, documents) for name, found in figures.items()}

        evidence = replace(
            self.evidence, figures=again(self.evidence.figures), end_to_end=again(self.evidence.end_to_end)
        )
        return Run(self.folder, evidence, self.terms, {**self.about, "prices": asdict(prices), "repriced": repriced})


def changed_terms(terms: Terms, changed: Mapping[str, Any]) -> Terms:
    """`terms`, or those of a `preset` in their place, with changes by name; what is no field of `Terms` is a limit."""
    if changed.get("preset") is not None:
        terms = preset_terms(changed["preset"])
    own = ("preset", "minimise", "margin", "margins")
    known = {name: changed[name] for name in own if changed.get(name) is not None}
    limits = {**terms.limits, **{name: limit for name, limit in changed.items() if name not in own}}
    return replace(terms, limits={name: limit for name, limit in limits.items() if limit is not None}, **known)


def write_records(
    path: Path,
    tasks: Sequence[Task],
    candidates: Sequence[Candidate],
    raws: Mapping[str, Mapping[Candidate, Raw]],
    references: Mapping[str, Raw | None],
) -> None:
    """records.parquet, a row group for each candidate and task, so that memory stays that of one."""
    with atomic(path) as file, pq.ParquetWriter(file, RECORDS, compression="zstd") as writer:
        for task in tasks:
            for candidate in candidates:
                if (raw := raws[task.name].get(candidate)) is not None:
                    writer.write_table(_table(task, candidate, raw, references[task.name]))


def _table(task: Task, candidate: Candidate, raw: Raw, reference: Raw | None) -> pa.Table:
    count = len(task.units)
    first = pa.array(np.zeros(count, dtype=np.int32))
    columns: dict[str, Any] = {
        "candidate": pa.DictionaryArray.from_arrays(first, [str(candidate)]),
        "task": pa.DictionaryArray.from_arrays(first, [task.name]),
        "unit": pa.array(task.units.ids, pa.string()),
        "group": None if task.units.groups is None else pa.array(task.units.groups, pa.int64()),
        "slice": None if task.units.slices is None else pa.array(task.units.slices, pa.string()),
        "value": task.unit_values(raw, reference),
        **task.columns(raw),
    }
    return pa.Table.from_arrays([_column(columns.get(one.name), one.type, count) for one in RECORDS], schema=RECORDS)


def _column(found: Any, kind: pa.DataType, count: int) -> pa.Array:
    """`found` as an Arrow array of the schema's type; nulls where the task has no such column."""
    if found is None:
        return pa.nulls(count, kind)
    return (found if isinstance(found, pa.Array) else pa.array(found)).cast(kind)
