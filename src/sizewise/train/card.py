"""What a made model says of itself: from what, on which texts, how long, at what cost; for people and studies."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal, Self

import orjson
from safetensors.numpy import load_file, save_file

from sizewise.core.environment import environment
from sizewise.core.errors import InputError
from sizewise.core.markdown import cell, code, escaped
from sizewise.data.seen import Seen
from sizewise.encode.folder import SEEN_FILE, TRAINING_FILE
from sizewise.store.files import write_json

SCHEMA = 1
Kind = Literal["distilled", "static", "fine-tuned"]


@dataclass(frozen=True)
class Provenance:
    """Where a made model comes from."""

    kind: Kind
    start: str
    """What it was made from, as named."""
    weights: str
    """sha256 of that."""
    made: str
    """In words: `layers 0, 2 and 5 of 6`."""
    texts: int
    text_sha256: str
    sources: Sequence[str]
    settings: Mapping[str, Any]
    training: Mapping[str, Any] | None = None
    """Steps, seconds, device, memory, loss and what was seen on the way; None where nothing was trained."""
    found: Mapping[str, Any] = field(default_factory=dict)
    """What was measured while it was made."""
    price_per_hour: float | None = None
    seconds: float = 0.0
    """Of all the work, encoding by the teacher included."""
    environment: Mapping[str, Any] = field(default_factory=lambda: environment(None))

    @property
    def cost(self) -> float | None:
        """In the user's currency; None without a price."""
        return None if self.price_per_hour is None else self.price_per_hour * self.seconds / 3600

    def write(self, folder: Path, seen: Seen) -> None:
        """Into a model's folder: `training.json`, the hashes of what it was trained on, and a README."""
        write_json(folder / TRAINING_FILE, {"schema": SCHEMA, **asdict(self), "cost": self.cost})
        save_file({"exact": seen.digests, "near": seen.near}, folder / SEEN_FILE)
        (folder / "README.md").write_text(_readme(self), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Of a model's folder; None for a model that was not made here. Raises InputError when it is damaged."""
        path = folder / TRAINING_FILE
        if not path.is_file():
            return None
        try:
            found = orjson.loads(path.read_bytes())
            known = found.pop("schema") == SCHEMA
            found.pop("cost")
            about = cls(**found)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{path} cannot be read ({error}); make the model again") from None
        if not known:
            raise InputError(f"{path} is of another version of Sizewise; make the model again")
        return about


def seen_by(folder: Path) -> Seen | None:
    """What the model in `folder` was trained on; None where it does not tell. Raises InputError where damaged."""
    path = folder / SEEN_FILE
    if not path.is_file():
        return None
    try:
        found = load_file(path)
        return Seen(found["exact"], found["near"])
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(f"{path} cannot be read ({error}); make the model again") from None


def hash_of(texts: Sequence[str]) -> str:
    """sha256 over texts in order."""
    total = sha256()
    for text in texts:
        total.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return total.hexdigest()


def _readme(about: Provenance) -> str:
    lines = [
        "---", "library_name: sentence-transformers", "pipeline_tag: sentence-similarity",
        "tags: [sentence-transformers, sizewise]", "---", "",
        f"# A model {about.kind} by Sizewise", "",
        f"Made from {code(about.start)} (sha256 {about.weights[:16]}): {escaped(about.made)}.", "",
        "| | |", "|---|---|",
        f"| texts | {about.texts:,} (sha256 {about.text_sha256[:16]}) |",
        f"| sources | {', '.join(map(cell, about.sources)) or '-'} |",
    ]  # fmt: skip
    if about.training is not None:
        run = about.training
        lines += [
            f"| steps | {run['steps']:,} in {run['seconds']:.0f} s on {run['device']} |",
            f"| peak memory | {run['peak_memory_mb']:,.0f} MB |",
            f"| loss at the end | {run['loss']:.4f} |",
        ]
    lines += [f"| {name.replace('_', ' ')} | {_written(value)} |" for name, value in about.settings.items()]
    lines += [f"| {name.replace('_', ' ')} | {_written(value)} |" for name, value in about.found.items()]
    lines.append(f"| all work | {about.seconds:.0f} s |")
    if about.cost is not None:
        lines.append(f"| cost | {about.cost:.2f} at {about.price_per_hour:g} an hour |")
    lines += [
        "",
        f"`{TRAINING_FILE}` holds the same for programs, `{SEEN_FILE}` hashes of the texts: Sizewise does not score "
        "the model on any of them.",
        "",
    ]
    return "\n".join(lines)


def _written(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_written, value)) or "-"
    return escaped(str(value))
