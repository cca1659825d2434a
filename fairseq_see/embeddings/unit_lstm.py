"""MorphLSTM and SememeLSTM (SEE, arXiv 2412.12204, table 5): an LSTM reads the units of a word.

    e(w) = s h[n],    h = LSTM(sqrt(d) v[x_1], ..., sqrt(d) v[x_n])

    morph_lstm    x: the morphemes of w;  parameters: M d + 8 d^2 + 8 d
    sememe_lstm   x: the sememes of the senses of w, sense by sense, then its morphemes;  (S + M) d + 8 d^2 + 8 d

v: (units, d) without padding units, the LSTM of one layer is torch's. s is a fixed scale, measured at initialisation,
that gives embeddings the variance of a dense matrix, 1/d. Vectors begin as N(0, 1/d) and are multiplied by sqrt(d), as
fairseq's Transformer does with its embeddings, since an LSTM wants inputs of variance 1.

Neither is a compression: they show what units are worth where vectors are as long as a word's. The paper puts "the
high-dimensional vectors of the morphemes or sememe related to the current token" into an LSTM and has no code; the rest
is our choice. The units are SEE's, in SEE's order, so that the methods differ in nothing but what is made of them.
Morphemes are read last: most words share all their sememes with others, and an LSTM remembers best what it read last.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.rnn import pack_sequence
from torch.utils.checkpoint import checkpoint

from fairseq_see.embeddings.buffers import IndexSizes
from fairseq_see.embeddings.config import MethodConfig, option
from fairseq_see.embeddings.indexed import IndexedEmbedding
from fairseq_see.embeddings.init import measure_squared_length
from fairseq_see.embeddings.kronecker import compute_dtype
from fairseq_see.embeddings.registry import register
from fairseq_see.units import UnitIndex

# Words that are read at a time; the states of one chunk are all that the backward pass keeps.
WORDS = 2048

# Parameters by their names in version 0.1.
FORMER = {
    "lstm.vectors": "vectors",
    "lstm.input": "lstm.weight_ih_l0",
    "lstm.recurrent": "lstm.weight_hh_l0",
    "lstm.bias": "lstm.bias_ih_l0",
}


@dataclass(frozen=True, kw_only=True)
class LSTMConfig(MethodConfig):
    """Hyper-parameters of ``morph_lstm`` and ``sememe_lstm``."""

    output_scale: float | None = option(None, "fixed factor of all embeddings (default: measured)")


@register("sememe_lstm")
class SememeLSTMEmbedding(IndexedEmbedding):
    """A word is what an LSTM makes of the sememes of its senses and of its morphemes, as the unit index has them."""

    Config: ClassVar[type[MethodConfig]] = LSTMConfig
    config: LSTMConfig
    compresses = False

    def __init__(
        self,
        config: LSTMConfig,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        index: UnitIndex | IndexSizes | None = None,
    ) -> None:
        super().__init__(config, num_embeddings, embedding_dim, padding_idx, index)
        sizes = self.index.sizes
        self.vectors = nn.Parameter(torch.empty(sizes.sememes + sizes.morphemes - 2 * sizes.order, embedding_dim))
        # Measured with the same weights each time, to two digits: modules built alike must have the same scale.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.lstm = nn.LSTM(embedding_dim, embedding_dim, batch_first=True)
            nn.init.normal_(self.vectors, std=embedding_dim**-0.5)
            if config.output_scale is None and self.index.known and not self.vectors.is_meta:
                square = measure_squared_length(self._rows, num_embeddings, padding_idx, self.vectors.device)
                self._complete(output_scale=float(f"{(square or 1.0) ** -0.5:.2g}"))
        self.lstm.reset_parameters()
        nn.init.normal_(self.vectors, std=embedding_dim**-0.5)

    def _rows(self, ids: Tensor) -> Tensor:
        """Read the units of each word; half precision is computed in float32."""
        dtype = compute_dtype(self.vectors.dtype)
        with torch.autocast(ids.device.type, enabled=False):
            weights = {name: weight.to(dtype) for name, weight in self.lstm.named_parameters()}
            chunks = ids.split(WORDS)
            if len(chunks) > 1 and torch.is_grad_enabled():
                # Or else the states of all chunks would be kept for the backward pass.
                parts = [checkpoint(self._read_states, chunk, weights, use_reentrant=False) for chunk in chunks]
            else:
                parts = [self._read_states(chunk, weights) for chunk in chunks]
            return torch.cat(parts).to(self.vectors.dtype) * (self.config.output_scale or 1.0)

    def _read_states(self, ids: Tensor, weights: dict[str, Tensor]) -> Tensor:
        """h[n] of the words ``ids`` (n,), (n, d); zero for a word without units."""
        units, lengths = self._list_units(ids)
        dtype = next(iter(weights.values())).dtype
        out = torch.zeros(len(ids), self.embedding_dim, dtype=dtype, device=ids.device)
        there = lengths.nonzero().squeeze(1)
        if not len(there):
            return out
        inputs = F.embedding(units, self.vectors).to(dtype) * self.embedding_dim**0.5
        packed = pack_sequence(inputs.split(lengths[there].tolist()), enforce_sorted=False)
        _, (last, _) = functional_call(self.lstm, weights, (packed,))
        return out.index_copy(0, there, last[0])

    def _list_units(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The units of words, one word after another, and how many each has: sense by sense, then its morphemes."""
        index, order = self.index, self.index.sizes.order
        first, senses = index.find_slots(ids)
        nth = torch.arange(index.sizes.rank - 1, device=ids.device)
        there = nth < senses.unsqueeze(1)
        morphemes = index.read_morphemes(ids)
        # The first ids of either kind are the padding units.
        sememes = morphemes.new_zeros(*there.shape, order)
        sememes[there] = index.read_groups((first.unsqueeze(1) + nth)[there])
        real = torch.cat((sememes.flatten(1), morphemes), 1) >= order
        units = torch.cat((sememes.flatten(1) - order, morphemes + index.sizes.sememes - 2 * order), 1)
        return units[real], real.sum(1)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        # Version 0.1 had an LSTM of its own, with one bias.
        if f"{prefix}lstm.input" in state_dict:
            for old, new in FORMER.items():
                state_dict[prefix + new] = state_dict.pop(prefix + old)
            state_dict[f"{prefix}lstm.bias_hh_l0"] = torch.zeros_like(state_dict[f"{prefix}lstm.bias_ih_l0"])
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


@register("morph_lstm")
class MorphLSTMEmbedding(SememeLSTMEmbedding):
    """A word is what an LSTM makes of its morphemes, as the unit index has them."""

    senses = False
