"""STUDY.toml: read, checked, every key known."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from math import isfinite
from pathlib import Path
from typing import Any

from sizewise.core.errors import InputError
from sizewise.cost.figures import COSTS
from sizewise.cost.price import Prices
from sizewise.decide.holdout import Holdout
from sizewise.decide.presets import preset_of
from sizewise.encode.encoder import Trust
from sizewise.study.combine import DEPTHS, Hybrids
from sizewise.study.run import RunFolder
from sizewise.study.rungs import Ladder
from sizewise.study.space import Space

TUNE = "tune"
"""Instead of a share or a file: choose by the queries that tasks keep for it, and confirm on those that are tested."""


@dataclass(frozen=True)
class TaskRef:
    """Where a task is and what the study says about it."""

    path: Path
    margin: float | None = None
    protocol: str | None = None
    name: str | None = None


@dataclass(frozen=True)
class StudyConfig:
    """What a study file says; relative paths are relative to the file."""

    name: str
    tasks: tuple[TaskRef, ...]
    candidates: tuple[str, ...]
    space: Space = field(default_factory=Space)
    limits: Mapping[str, float] = field(default_factory=dict)
    margin: float | None = None
    minimise: str | None = None
    preset: str | None = None
    confirm: Holdout = field(default_factory=Holdout)
    prices: Prices = field(default_factory=Prices)
    trust: Trust = field(default_factory=Trust)
    threads: int | None = None
    ladder: Ladder | None = None
    hybrids: Hybrids | None = None


def read_config(path: Path) -> StudyConfig:
    """The study in the file `path`. Raises InputError naming the file and the key that is wrong."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"there is no study file {path}; check the path, or give a task with --task") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; give a STUDY.toml, or a task with --task") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: {error}; correct it") from None
    return _Reader(path).config(found)


@dataclass(frozen=True)
class _Reader:
    path: Path

    def config(self, found: Mapping[str, Any]) -> StudyConfig:
        known = (
            "name",
            "tasks",
            "candidates",
            "space",
            "limits",
            "decide",
            "prices",
            "trust",
            "threads",
            "ladder",
            "hybrids",
        )
        self.keys("", found, known)
        decide = self.table(found, "decide", ("preset", "margin", "minimise", "confirm"))
        space = self.table(found, "space", tuple(one.name for one in fields(Space)))
        prices = self.table(found, "prices", tuple(one.name for one in fields(Prices)))
        trust = self.table(found, "trust", ("remote_code", "pickled"))  # that texts leave is never a file's to allow
        limits = self.table(found, "limits", COSTS)
        candidates = found.get("candidates", ())
        return StudyConfig(
            name=self.name(found),
            tasks=tuple(self.task(one) for one in self.listed(found, "tasks")),
            candidates=(candidates,) if isinstance(candidates, str) else self.strings(found, "candidates"),
            space=Space(
                self.wholes(space, "space.dimensions"),
                self.wholes(space, "space.pca"),
                self.strings(space, "space.vectors"),
            ),
            limits={name: self.number(limits, f"limits.{name}", 0.0) for name in limits},
            margin=self.margin(decide, "decide.margin", 0.0) if "margin" in decide else None,
            minimise=self.minimise(decide),
            preset=self.preset(decide),
            confirm=self.holdout(decide),
            prices=self.prices(prices),
            trust=Trust(
                frozenset(self.strings(trust, "trust.remote_code")), frozenset(self.strings(trust, "trust.pickled"))
            ),
            threads=self.threads(found),
            ladder=self.ladder(found) if "ladder" in found else None,
            hybrids=self.hybrids(found) if "hybrids" in found else None,
        )

    def name(self, found: Mapping[str, Any]) -> str:
        """A folder is called by it, so it may not lead out of the one it is made in."""
        name: str = self.typed(found, "name", str, self.path.stem)
        try:
            RunFolder.named(name)
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None
        return name

    def task(self, found: Any) -> TaskRef:
        if isinstance(found, str):
            found = {"path": found}
        if not isinstance(found, dict) or not isinstance(found.get("path"), str):
            raise self.error("tasks", 'each task is a path or a table like { path = "./data/support", margin = 0.5 }')
        self.keys("tasks", found, ("path", "margin", "protocol", "name"))
        margin = self.margin(found, "tasks.margin", 0.0) if "margin" in found else None
        return TaskRef(
            self.path.parent / found["path"],
            margin,
            self.typed(found, "tasks.protocol", str, None),
            self.typed(found, "tasks.name", str, None),
        )

    def table(self, found: Mapping[str, Any], key: str, known: Sequence[str]) -> Mapping[str, Any]:
        table = found.get(key, {})
        if not isinstance(table, dict):
            raise self.error(key, f"must be a table: write its keys below a line [{key}]")
        self.keys(key, table, known)
        return table

    def keys(self, where: str, found: Mapping[str, Any], known: Sequence[str]) -> None:
        for key in found:
            if key not in known:
                close = get_close_matches(key, known, n=1)
                hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(known)}"
                raise self.error(f"{where}.{key}".lstrip("."), f"is not known; {hint}")

    def typed(self, found: Mapping[str, Any], key: str, kind: type, default: Any) -> Any:
        value = found.get(key.rpartition(".")[2], default)
        if value is not default and (not isinstance(value, kind) or isinstance(value, bool)):
            raise self.error(key, f"must be a {'whole number' if kind is int else 'text'}, not {value!r}")
        return value

    def number(self, found: Mapping[str, Any], key: str, default: float) -> float:
        value = found.get(key.rpartition(".")[2], default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"must be a number, not {value!r}")
        return value

    def margin(self, found: Mapping[str, Any], key: str, default: float) -> float:
        value = self.number(found, key, default)
        if not (value > 0 and isfinite(value)):
            raise self.error(key, f"must be above zero, not {value!r}")
        return value

    def minimise(self, decide: Mapping[str, Any]) -> str | None:
        value: str | None = self.typed(decide, "decide.minimise", str, None)
        if value is not None and value not in COSTS:
            close = get_close_matches(value, COSTS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"there are: {', '.join(COSTS)}"
            raise self.error("decide.minimise", f"is no cost: {value!r}; {hint}")
        return value

    def preset(self, decide: Mapping[str, Any]) -> str | None:
        name: str | None = self.typed(decide, "decide.preset", str, None)
        if name is not None:
            try:
                preset_of(name)
            except InputError as error:
                raise InputError(f"{self.path}: decide.preset: {error}") from None
        return name

    def prices(self, found: Mapping[str, Any]) -> Prices:
        given = {key: self.number(found, f"prices.{key}", 0.0) for key in found}
        try:
            return Prices(**given)  # type: ignore[arg-type]
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from None

    def threads(self, found: Mapping[str, Any]) -> int | None:
        value: int | None = self.typed(found, "threads", int, None)
        if value is not None and value < 1:
            raise self.error("threads", f"must be 1 or more, not {value}")
        return value

    def ladder(self, found: Mapping[str, Any]) -> Ladder:
        table = self.table(found, "ladder", ("from", "layers", "static", "text", "epochs", "seed"))
        start = self.typed(table, "ladder.from", str, None)
        if start is None:
            raise self.error("ladder.from", "is missing: name the model to make smaller ones from")
        static = self.flag(table, "ladder.static")
        layers = self.wholes(table, "ladder.layers")
        if not layers and not static:
            raise self.error("ladder", "names no rung: give layers = [3, 2, 1], static = true, or both")
        text = table.get("text", [])
        seed = self.typed(table, "ladder.seed", int, 0)
        epochs = self.number(table, "ladder.epochs", 0.0) if "epochs" in table else None
        if epochs is not None and not (epochs > 0 and isfinite(epochs)):
            raise self.error("ladder.epochs", f"must be above zero, not {epochs!r}")
        paths = [text] if isinstance(text, str) else self.strings(table, "ladder.text")
        return Ladder(start, layers, static, tuple(self.path.parent / path for path in paths), epochs, seed)

    def hybrids(self, found: Mapping[str, Any]) -> Hybrids:
        table = self.table(found, "hybrids", tuple(one.name for one in fields(Hybrids)))
        ways = {name: self.flag(table, f"hybrids.{name}") for name in ("fuse", "tune", "asym", "funnels", "fresh")}
        rerankers = self.strings(table, "hybrids.rerankers")
        if not rerankers and not ways["fuse"] and not ways["funnels"]:
            raise self.error("hybrids", "asks for nothing: give rerankers, fuse = true or funnels = true")
        if ways["asym"] and not rerankers:
            raise self.error("hybrids.asym", "needs rerankers: the encoders of the documents")
        weights = self.numbers(table, "hybrids.weights")
        if wrong := next((one for one in weights if not 0 < one < 1), None):
            raise self.error("hybrids.weights", f"must lie between 0 and 1, not {wrong!r}")
        if ways["tune"] and not ways["fuse"]:
            raise self.error("hybrids.tune", "is for weights of fusions: give fuse = true too")
        risks = self.numbers(table, "hybrids.risks")
        if wrong := next((one for one in risks if one >= 100), None):
            raise self.error("hybrids.risks", f"must be points (x100) below 100, not {wrong!r}")
        return Hybrids(
            retrievers=self.strings(table, "hybrids.retrievers"),
            rerankers=rerankers,
            depths=self.wholes(table, "hybrids.depths") or DEPTHS,
            margins=self.numbers(table, "hybrids.margins"),
            weights=weights,
            risks=risks,
            **ways,
        )

    def flag(self, found: Mapping[str, Any], key: str) -> bool:
        value = found.get(key.rpartition(".")[2], False)
        if not isinstance(value, bool):
            raise self.error(key, f"must be true or false, not {value!r}")
        return value

    def numbers(self, found: Mapping[str, Any], key: str) -> tuple[float, ...]:
        value = self.listed(found, key)
        if any(isinstance(one, bool) or not isinstance(one, int | float) or not one > 0 for one in value):
            raise self.error(key, f"must be a list of numbers above zero, not {value!r}")
        return tuple(map(float, value))

    def holdout(self, decide: Mapping[str, Any]) -> Holdout:
        value = decide.get("confirm", 0.0)
        if value == TUNE:
            return Holdout(tune=True)
        if isinstance(value, str):
            return Holdout(file=self.path.parent / value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1:
            raise self.error(
                "decide.confirm", f'must be a share (0 to below 1), a file of unit ids, or "{TUNE}", not {value!r}'
            )
        return Holdout(share=value)

    def listed(self, found: Mapping[str, Any], key: str) -> list[Any]:
        value = found.get(key.rpartition(".")[2], [])
        if not isinstance(value, list):
            raise self.error(key, f"must be a list, not {value!r}")
        return value

    def strings(self, found: Mapping[str, Any], key: str) -> tuple[str, ...]:
        values = self.listed(found, key)
        if not all(isinstance(value, str) for value in values):
            raise self.error(key, "must be a list of texts")
        return tuple(values)

    def wholes(self, found: Mapping[str, Any], key: str) -> tuple[int, ...]:
        values = self.listed(found, key)
        if not all(isinstance(value, int) and not isinstance(value, bool) and value > 0 for value in values):
            raise self.error(key, "must be a list of whole numbers above zero")
        return tuple(values)

    def error(self, key: str, problem: str) -> InputError:
        return InputError(f"{self.path}: {key} {problem}")
