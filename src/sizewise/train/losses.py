"""What training makes small."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SIMILARITIES = 2.0
"""Weight of similarities beside vectors: a squared error of cosines is so much smaller than a lost cosine."""

TEMPERATURE = 0.07
"""That cosines with proxies are divided by."""


class Agreement(nn.Module):
    """How far a model is from its teacher: the cosine lost of each text's vector, and the squared error of the cosines
    between the texts of a batch.

    Vectors as in Reimers and Gurevych, "Making monolingual sentence embeddings multilingual using knowledge
    distillation", 2020 (by the cosine instead of the squared distance), similarities as in Tung and Mori,
    "Similarity-preserving knowledge distillation", 2019. With `widths`, so of the first numbers of a vector too, as in
    Kusupati et al., "Matryoshka representation learning", 2022; their cosines are compared with those of whole vectors.
    """

    def __init__(
        self, model: "SentenceTransformer", wanted: npt.NDArray[np.float32], widths: Sequence[int] = ()
    ) -> None:
        """`wanted` float32 [texts, d]: the teacher's vectors, which may be mapped from a file."""
        super().__init__()
        self.model = model
        self._wanted, self._widths = wanted, (wanted.shape[1], *widths)

    def forward(self, features: Iterable[Mapping[str, Tensor]], labels: Tensor) -> Tensor:
        """The loss of a batch, whose texts' numbers are `labels` int64 [n]."""
        found = self.model(next(iter(features)))["sentence_embedding"].float()
        wanted = torch.from_numpy(self._wanted[labels.cpu().numpy()]).to(found.device)
        alike = _cosines(normalize(wanted))
        losses = [self._at(width, found, wanted, alike) for width in self._widths]
        return torch.stack(losses).mean()

    @staticmethod
    def _at(width: int, found: Tensor, wanted: Tensor, alike: Tensor) -> Tensor:
        mine, theirs = normalize(found[:, :width]), normalize(wanted[:, :width])
        lost = 1 - (mine * theirs).sum(1).mean()
        return lost + SIMILARITIES * (_cosines(mine) - alike).square().mean()


def _cosines(unit: Tensor) -> Tensor:
    return unit @ unit.T


class ClassProxies(nn.Module):
    """Each text near to the proxy of its label, a vector that is learned too, and far from those of all others: the
    normalised softmax of Zhai and Wu, "Classification is a strong baseline for deep metric learning", 2019.

    A batch is held against every label there is, where contrasting the texts of a batch leaves most labels out.
    """

    def __init__(
        self,
        model: "SentenceTransformer",
        codes: npt.NDArray[np.int64],
        proxies: npt.NDArray[np.float32],
        temperature: float = TEMPERATURE,
    ) -> None:
        """`codes` int64 [texts]: the label of each text of the training data; `proxies` float32 [labels, d]: where they
        begin."""
        super().__init__()
        self.model, self.proxies = model, nn.Parameter(torch.from_numpy(proxies))
        self._codes, self._temperature = torch.from_numpy(codes), temperature

    def forward(self, features: Iterable[Mapping[str, Tensor]], labels: Tensor) -> Tensor:
        """The loss of a batch, whose texts' numbers are `labels` int64 [n]."""
        vectors = normalize(self.model(next(iter(features)))["sentence_embedding"].float())
        codes = self._codes[labels.cpu()].to(vectors.device)
        return cross_entropy(vectors @ normalize(self.proxies).T / self._temperature, codes)
