"""Batches to train on: texts of about one length together, as many as a budget of tokens holds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers.base.sampler import DefaultBatchSampler

from sizewise.encode.batches import Rows, plan
from sizewise.encode.tokens import Tokens

if TYPE_CHECKING:
    from datasets import Dataset

ROW = "row"
"""The one column of a data set for training: which text it is."""


def rows(count: int) -> "Dataset":
    """A data set of so many texts, which `Padded` or `Flat` look up by their numbers."""
    from datasets import Dataset

    return Dataset.from_dict({ROW: np.arange(count)})


class BudgetSampler(DefaultBatchSampler):
    """Every text once an epoch, in batches that cost at most `budget` padded tokens, in another order every time.

    All epochs have equally many batches, of the same lengths: only who is beside whom changes.
    """

    def __init__(self, lengths: npt.NDArray[np.int64], budget: int, seed: int) -> None:
        self._lengths, self._budget, self._seed, self._epoch = lengths, budget, seed, 0
        super().__init__(range(len(lengths)), batch_size=1, drop_last=False)

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(plan(self._lengths, self._budget))

    def __iter__(self) -> Iterator[list[int]]:
        chance = np.random.default_rng([self._seed, self._epoch])
        order = chance.permutation(len(self._lengths))
        batches: list[Rows] = plan(self._lengths[order], self._budget)
        for at in chance.permutation(len(batches)):
            yield order[batches[at]].tolist()


class ShuffledSampler(DefaultBatchSampler):
    """Every text once an epoch, `size` at a time, in another order every time."""

    def __init__(self, count: int, size: int, seed: int) -> None:
        self._count, self._seed, self._epoch = count, seed, 0
        super().__init__(range(count), batch_size=size, drop_last=False)

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._count)
        for start in range(0, self._count, self.batch_size):
            yield order[start : start + self.batch_size].tolist()


@dataclass(frozen=True)
class Padded:
    """What a transformer reads of some texts."""

    tokens: Tokens
    pad: int
    valid_label_columns: ClassVar = ("label",)

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        chosen = np.array([one[ROW] for one in features])
        ids, mask = self.tokens.take(chosen).padded(self.pad)
        return {
            "text_input_ids": torch.from_numpy(ids),
            "text_attention_mask": torch.from_numpy(mask),
            "label": torch.from_numpy(chosen),
        }


@dataclass(frozen=True)
class Flat:
    """What a static model reads of some texts: token ids end to end, and where each text begins."""

    tokens: Tokens
    valid_label_columns: ClassVar = ("label",)

    def __call__(self, features: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        chosen = np.array([one[ROW] for one in features])
        found = self.tokens.take(chosen)
        return {
            "text_input_ids": torch.from_numpy(found.ids.astype(np.int64)),
            "text_offsets": torch.from_numpy(found.starts[:-1].copy()),
            "label": torch.from_numpy(chosen),
        }
