"""A network run on texts that lie end to end, without padding: token ids and where texts begin, to vectors."""

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sizewise.encode.cuda import attention
from sizewise.encode.network import Network

LEAST_COSINE = 0.99
"""Of a token's vector in a packed batch and in a padded one; halves of precision are far above, wrong ones below."""


class FlatNetwork:
    """`network` on its device, its transformer's attention set to keep texts apart."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._first_position, self._pooling = network.first_position, network.pooling
        self._options = {"use_cache": False} if hasattr(network.body.config, "use_cache") else {}

    def __call__(self, ids: Tensor, starts: Tensor, longest: int) -> Tensor:
        """int32 [t] and int32 [n + 1] on the device -> float32 [n, d]; text i has ids[starts[i]:starts[i + 1]].

        Nothing here waits for the device, so that it can be captured as a graph.
        """
        return self._pooled(self.tokens(ids, starts, longest).float(), starts)

    def tokens(self, ids: Tensor, starts: Tensor, longest: int) -> Tensor:
        """Token vectors [t, hidden]."""
        at = torch.arange(len(ids), dtype=torch.int32, device=ids.device)
        text = torch.searchsorted(starts[1:], at, right=True)
        positions = (at - starts[text] + self._first_position).long()
        found: Tensor = self.network.body(
            input_ids=ids[None],
            position_ids=positions[None],
            cu_seq_lens_q=starts,
            cu_seq_lens_k=starts,
            max_length_q=longest,
            max_length_k=longest,
            return_dict=True,
            **self._options,
        ).last_hidden_state
        return found[0]

    def _pooled(self, tokens: Tensor, starts: Tensor) -> Tensor:
        lengths = starts.diff()
        if self._pooling is None:
            padded = pad_sequence(list(torch.split(tokens, lengths.tolist())), batch_first=True)
            mask = torch.arange(padded.shape[1], device=tokens.device) < lengths[:, None]
            return self.network.vectors(padded, mask.long()).float()
        if self._pooling == "mean":
            # segment_reduce adds each text's rows in order: the same to the last bit, as index_add is not
            sums = torch.segment_reduce(tokens, "sum", lengths=lengths.long(), axis=0, unsafe=True, initial=0)
            vectors = sums / lengths.clamp(min=1)[:, None]
        else:
            at = starts[:-1] if self._pooling == "cls" else starts[1:] - 1
            vectors = tokens[at.clamp(0, len(tokens) - 1)] * (lengths > 0)[:, None]
        features: dict[str, Any] = {"sentence_embedding": vectors}
        for module in self.network.head[1:]:
            features = module(features)
        found: Tensor = features["sentence_embedding"]
        return found.float()


def flatten(network: Network) -> tuple[FlatNetwork | None, str]:
    """The network with its attention set to keep texts apart, or None and why it cannot; then it is as it was.

    It is tried: token vectors of a packed batch against those of the padded one.
    """
    body, before = network.body, network.body.config._attn_implementation
    ids = [torch.arange(length) * 37 % min(body.config.vocab_size, 1000) for length in (9, 3, 17, 1)]
    device = next(body.parameters()).device
    lengths = torch.tensor([len(one) for one in ids])
    padded = pad_sequence(ids, batch_first=True).to(device)
    mask = (torch.arange(padded.shape[1]) < lengths[:, None]).to(device)
    wanted = body(input_ids=padded, attention_mask=mask.long(), return_dict=True).last_hidden_state[mask].float()
    body.set_attn_implementation(attention.NAME)
    why = "its attention cannot be exchanged"
    if body.config._attn_implementation == attention.NAME:
        try:
            flat = FlatNetwork(network)
            starts = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)]).int().to(device)
            found = flat.tokens(torch.cat(ids).int().to(device), starts, int(lengths.max())).float()
            least = torch.cosine_similarity(found, wanted, dim=1).min().item()
        except (NotImplementedError, TypeError, ValueError, RuntimeError) as error:
            why = str(error).strip().splitlines()[0]
        else:
            if least >= LEAST_COSINE:
                return flat, ""
            why = f"its vectors change when texts are packed: cosine {least:.3f}"
    body.set_attn_implementation(before)
    return None, why
