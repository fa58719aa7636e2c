"""What breaks: the units on which the recommended candidate fares worst against the best one, with both answers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sizewise.core.errors import InputError
from sizewise.core.grammar import parse
from sizewise.core.text import printable
from sizewise.data.case import Case, told
from sizewise.data.task import Raw, Task
from sizewise.decide.recommend import OnTask
from sizewise.decide.recommendation import Recommendation
from sizewise.report.again import NOTHING_BETTER, Tasks, decided_on, group_names, opponent, reread
from sizewise.study.records import RecordFile, Records
from sizewise.study.run import Run
from sizewise.study.space import reference_of

MOST_CHARACTERS = 400
"""Of any text in a case; what is longer is cut and says so."""
DIGITS = 9
"""A smaller difference is one of rounding."""
LEFT_OUT = "texts are left out, as asked"
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Break:
    """A unit on which the recommended candidate fares worse than the other one. Values are x100."""

    number: int
    """Position in the task, from 0."""
    unit: str
    """The unit's id; its number where texts are left out."""
    group: str | None
    slice: str | None
    """Names; numbers where texts are left out; None where the task has none."""
    value: float
    """How the recommended candidate fares, 0 to 100."""
    other_value: float
    """How the other one fares."""
    case: Case | None
    """What the recommended candidate answered; None where texts are left out or cannot be read again."""
    other_case: Case | None

    @property
    def loss(self) -> float:
        """`other_value - value`, above zero."""
        return self.other_value - self.value


@dataclass(frozen=True)
class TaskBreaks:
    """The units of one task that lose most."""

    task: str
    measure: str
    """What the values are: the metric of each unit or, where it is no mean over units, what comes near it."""
    candidate: str
    """The recommended one."""
    other: str | None
    """What it is compared with: the best on this task or, where that is itself, the best without transforms."""
    units: int = 0
    """Units compared; 0 where nothing could be."""
    lost: int = 0
    """Units on which the recommended candidate fares worse."""
    gained: int = 0
    """Units on which it fares better."""
    shown: tuple[Break, ...] = ()
    """The largest losses first."""
    note: str = ""
    """Why there is nothing, or no text; empty where there is all."""

    def to_json(self) -> dict[str, Any]:
        """The fields by name; a case as `Case.to_json` gives it."""
        shown = [
            {
                **asdict(one),
                "loss": one.loss,
                "case": one.case and one.case.to_json(),
                "other_case": one.other_case and one.other_case.to_json(),
            }
            for one in self.shown
        ]
        return {**asdict(self), "shown": shown}


def breaks(
    run: Run, found: Recommendation, most: int = 30, text: bool = True, tasks: Tasks | None = None
) -> list[TaskBreaks]:
    """For each deciding task, the units where the recommended candidate loses most; [] where nothing is recommended.

    Raw records come from records.parquet in the run folder, texts from the tasks' folders (`tasks`, where they have
    been read again already). Where those are gone or have changed there are ids and values only, and `note` says why.
    `text=False` leaves all of the user's text out: no texts, labels, ids or names. Units held out of the decision are
    not looked at.
    """
    if found.candidate is None:
        return []
    tasks, file = reread(run) if tasks is None else tasks, RecordFile(run.folder)
    return [_Comparison(run, found, one, tasks.get(one.task), file, text).worst(most) for one in found.choice.tasks]


@dataclass(frozen=True)
class _Comparison:
    """The recommended candidate against another on one task."""

    run: Run
    found: Recommendation
    stands: OnTask
    task: Task | str | None
    """The task, or why it cannot be read again."""
    file: RecordFile
    text: bool

    @property
    def readable(self) -> Task | None:
        return self.task if isinstance(self.task, Task) else None

    def worst(self, most: int) -> TaskBreaks:
        """The `most` units that lose most; none, with a note, where nothing can be compared."""
        other = opponent(self.found, self.stands)
        if other is None:
            return self._result(None, note=NOTHING_BETTER)
        try:
            return self._compared(other, most)
        except InputError as error:
            return self._result(other, note=str(error))

    def _compared(self, other: str, most: int) -> TaskBreaks:
        mine, theirs = self._records(str(self.found.candidate)), self._records(other)
        kept = decided_on(self.run, self.stands.task, mine)
        raws = None if self.readable is None else [self.readable.raw_of(one.columns) for one in (mine, theirs)]
        values = [self._values(one, None if raws is None else raws[at]) for at, one in enumerate((mine, theirs))]
        if values[0] is None or values[1] is None:
            why = "this kind of task does not say how each unit fares" if self.readable else self._gone()
            return self._result(other, note=why)
        loss = np.zeros(len(mine))
        loss[kept] = (values[1] - values[0])[kept].round(DIGITS)
        worst = np.argsort(-loss, kind="stable")[: min(most, int((loss > 0).sum()))].tolist()
        return self._result(
            other,
            units=len(kept),
            lost=int((loss > 0).sum()),
            gained=int((loss < 0).sum()),
            shown=tuple(self._breaks(worst, mine, values[0], values[1], raws)),
            note=LEFT_OUT if not self.text else "" if self.readable else self._gone(),
        )

    def _breaks(
        self, worst: Sequence[int], records: Records, value: Floats, other: Floats, raws: list[Raw] | None
    ) -> list[Break]:
        groups, slices = self._groups(worst, records), self._slices(worst, records)
        reference = self._reference()
        return [
            Break(
                number=at,
                unit=_cut(records.units[at].as_py()) if self.text else str(at),
                group=groups[place],
                slice=slices[place],
                value=100 * float(value[at]),
                other_value=100 * float(other[at]),
                case=self._case(at, raws[0], reference) if raws else None,
                other_case=self._case(at, raws[1], reference) if raws else None,
            )
            for place, at in enumerate(worst)
        ]

    def _records(self, candidate: str) -> Records:
        found = self.file.of(self.stands.task, candidate)
        if found is None:
            raise InputError(
                f"{self.file.path} has no records of {candidate} on {self.stands.task}; run the study again"
            )
        return found

    def _values(self, records: Records, raw: Raw | None) -> Floats | None:
        """How each unit fares: its metric as it was written or, where it has none, as the task tells from `raw`."""
        if records.values is not None:
            return records.values
        return None if self.readable is None or raw is None else self.readable.fares(raw)

    def _case(self, at: int, raw: Raw, reference: Raw | None) -> Case | None:
        if not self.text or self.readable is None:
            return None
        shown: Case = told(self.readable.case(at, raw, reference), _cut)
        return shown

    def _reference(self) -> Raw | None:
        """The record that a fidelity task compares with, where the candidate it is of is in the run."""
        task = self.readable
        if task is None or not self.text:
            return None
        reference = reference_of(task, [parse(name) for name in self.run.evidence.candidates])
        records = None if reference is None else self.file.of(task.name, str(reference))
        return None if records is None else task.raw_of(records.columns)

    def _groups(self, worst: Sequence[int], records: Records) -> Sequence[str | None]:
        if records.groups is None:
            return [None] * len(worst)
        return group_names(self.task, records.groups[worst].tolist(), self.text, MOST_CHARACTERS)

    def _slices(self, worst: Sequence[int], records: Records) -> Sequence[str | None]:
        if records.slices is None:
            return [None] * len(worst)
        names = records.slices.to_pylist()
        number = {name: str(at) for at, name in enumerate(sorted(set(names)))}
        return [_cut(names[at]) if self.text else number[names[at]] for at in worst]

    def _gone(self) -> str:
        """Why there are no texts."""
        if not self.text:
            return "the task's folder is gone or holds other data than the run was made with"
        return printable(self.task if isinstance(self.task, str) else "the run does not say where the task is")

    def _result(self, other: str | None, **more: Any) -> TaskBreaks:
        measure = self.stands.metric
        if self.readable is not None and self.readable.fares_by:
            measure = self.readable.fares_by
        return TaskBreaks(self.stands.task, measure, str(self.found.candidate), other, **more)


def _cut(text: str) -> str:
    return printable(text, MOST_CHARACTERS)
