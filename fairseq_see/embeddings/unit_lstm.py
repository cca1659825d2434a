"""What ``morph_lstm`` and ``sememe_lstm`` share: an LSTM that reads the units of a word.

    i, f, u, o  =  the quarters of  W sqrt(d) v[x_t] + R h[t-1] + b
    c[t]        =  sigmoid(f) c[t-1] + sigmoid(i) tanh(u)
    h[t]        =  sigmoid(o) tanh(c[t]),    h[0] = c[0] = 0

    x_1 ... x_n: the units of a word;  v: (units, d),  W, R: (4 d, d),  b: (4 d)

It is PyTorch's LSTM of one layer, its gates in the same order, with one bias instead of two that are only ever added.
Vectors start as the rows of a dense table, N(0, 1/d), and are multiplied by sqrt(d) as fairseq's Transformer does with
its embeddings: an LSTM wants inputs of about variance 1.
"""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from fairseq_see.embeddings.base import Embedding, infeasible, meets
from fairseq_see.embeddings.buffers import StoredIndex, index_to_plan
from fairseq_see.embeddings.init import mean_squared_length
from fairseq_see.units import UnitIndex

# Gates that the words of one chunk may have in all their steps together: 64 MB in float32.
CHUNK_NUMBERS = 2**24


class LSTMEmbedding(Embedding):
    """A word is g times the last hidden state of an LSTM that has read its units.

    No number of it can be chosen, so its ratio is what it is.

    Args:
        num_embeddings: V.
        embedding_dim: d.
        padding_idx: the zero row.
        index: the unit index of the V words; None only to be filled from a state dict (:meth:`restore`).
        gain: g (default: measured, so that rows start with the variance of a dense table, 1/d).
        shape: sizes of an index yet to be loaded, from :meth:`settings`.
    """

    compresses: ClassVar[bool] = False
    # Whether the sememes are read too, or the morphemes alone.
    senses: ClassVar[bool]

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        *,
        index: UnitIndex | None = None,
        gain: float | None = None,
        shape: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(num_embeddings, embedding_dim, padding_idx)
        # "version": see SEE's.
        self.index_version_1 = StoredIndex(num_embeddings, index, shape, self.senses)
        sizes = self.index.shape
        self.lstm = UnitLSTM(_real_units(sizes["sememes"], sizes["morphemes"], self.index.order), embedding_dim)
        self.gain = 1.0 if gain is None else gain
        if gain is None and self.index.known and not self.lstm.bias.is_meta:
            self.gain = self._measured_gain()

    @property
    def index(self) -> StoredIndex:
        """The unit index of the words."""
        return self.index_version_1

    @classmethod
    def plan(cls, ratio: float, num_embeddings: int, embedding_dim: int, **options: Any) -> dict[str, Any]:
        """Only one ratio is possible, as a rule below 1."""
        index = index_to_plan(cls.method, options)
        index = index if cls.senses else index.without_senses()
        units = _real_units(len(index.sememes), len(index.morphemes), index.order)
        reached = num_embeddings / (units + 8 * embedding_dim + 4)
        if not meets(reached, ratio):
            raise infeasible(cls.method, ratio, [reached], " (it has no knob; leave the ratio out)")
        return {}

    def settings(self) -> dict[str, Any]:
        """Gain, and the sizes of the index."""
        return {"gain": self.gain, "shape": self.index.shape}

    def _measured_gain(self) -> float:
        """Of the same weights each time: as no state dict has the gain, modules built alike must have the same."""
        own = self.lstm
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.lstm = UnitLSTM(*own.vectors.shape).to(own.vectors)
        square = mean_squared_length(self.rows, self.num_embeddings, self.padding_idx, own.vectors.device)
        self.lstm = own
        return (square or 1.0) ** -0.5

    def rows(self, ids: Tensor) -> Tensor:
        """Read the units of each word."""
        out, real = self.lstm(*self._units(ids)), self._real(ids)
        return out * self.gain if real is None else out * (real * self.gain).to(out.dtype).unsqueeze(1)

    def _units(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """The units of words, one word after another, and how many each has: sense by sense, then its morphemes."""
        index, order = self.index, self.index.order
        first, senses = index.senses_of(ids)
        nth = torch.arange(index.rank - 1, device=ids.device)
        there = nth < senses.unsqueeze(1)
        morphemes = index.morphemes_of(ids)
        # The first ids of either kind are the padding units.
        sememes = morphemes.new_zeros(*there.shape, order)
        sememes[there] = index.groups_at((first.unsqueeze(1) + nth)[there])
        real = torch.cat((sememes.flatten(1), morphemes), 1) >= order
        units = torch.cat((sememes.flatten(1) - order, morphemes + index.shape["sememes"] - 2 * order), 1)
        return units[real], real.sum(1)


def _real_units(sememes: int, morphemes: int, order: int) -> int:
    """Units that have a vector: padding is never read."""
    return sememes + morphemes - 2 * order


class UnitLSTM(nn.Module):
    """Sequences of units -> the last hidden state.

    Sequences are packed: a step computes only the words that have a unit there. The product of W and a unit's vector is
    made once for each distinct unit, not for each word that has it.

    Args:
        units: number of units.
        dim: d.
    """

    def __init__(self, units: int, dim: int) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.empty(units, dim))
        self.input = nn.Parameter(torch.empty(4 * dim, dim))
        self.recurrent = nn.Parameter(torch.empty(4 * dim, dim))
        self.bias = nn.Parameter(torch.empty(4 * dim))
        nn.init.normal_(self.vectors, std=dim**-0.5)
        for parameter in (self.input, self.recurrent, self.bias):
            nn.init.uniform_(parameter, -(dim**-0.5), dim**-0.5)

    def forward(self, units: Tensor, lengths: Tensor) -> Tensor:
        """Read sequences from left to right.

        Args:
            units: (N,) ids, one sequence after another, any integer type.
            lengths: (n,) units in each sequence; they sum up to N.

        Returns:
            (n, d), zero for an empty sequence. Half precision is computed in float32, under autocast too: the gradient
            of a frequent unit is a sum over thousands of words.
        """
        dtype = torch.promote_types(self.vectors.dtype, torch.float32)
        distinct, units = torch.unique(units, return_inverse=True)
        with torch.autocast(units.device.type, enabled=False):
            vectors = F.embedding(distinct, self.vectors).to(dtype) * self.vectors.shape[1] ** 0.5
            inputs = F.linear(vectors, self.input.to(dtype), self.bias.to(dtype))
            recurrent = self.recurrent.to(dtype)
            chunks = max(1, -(-len(units) * inputs.shape[1] // CHUNK_NUMBERS))
            parts = lengths.chunk(chunks)
            sequences = zip(units.split([int(part.sum()) for part in parts]), parts, strict=True)
            # Without the checkpoint the gates of all chunks would be kept for the backward pass.
            again = chunks > 1 and torch.is_grad_enabled()
            run = partial(checkpoint, _last_states, use_reentrant=False) if again else _last_states
            states = [run(inputs, recurrent, *sequence) for sequence in sequences]
            return torch.cat(states).to(self.vectors.dtype)


def _last_states(inputs: Tensor, recurrent: Tensor, units: Tensor, lengths: Tensor) -> Tensor:
    """Run the LSTM.

    Args:
        inputs: (distinct units, 4 d), W sqrt(d) v + b.
        recurrent: R.
        units: (N,) rows of ``inputs``.
        lengths: (n,).

    Returns:
        (n, d)
    """
    starts = lengths.cumsum(0) - lengths
    longest_first = lengths.argsort(descending=True)
    # How many sequences are longer than 0, 1, ... Two steps at least, though nothing may be read in the second:
    # distributed training expects a gradient of every parameter, and the first step does not use R.
    active = (len(lengths) - torch.bincount(lengths, minlength=3).cumsum(0))[:-1].tolist()
    steps = torch.arange(len(active), device=lengths.device).unsqueeze(1)
    read = (starts[longest_first] + steps)[steps < lengths[longest_first]]
    hidden = cell = inputs.new_zeros(len(lengths), recurrent.shape[1])
    ended = []
    for step, gates in enumerate(F.embedding(units[read], inputs).split(active)):
        ended.append(hidden[len(gates) :])
        if step:
            gates = gates + F.linear(hidden[: len(gates)], recurrent)
        write, keep, update, show = gates.chunk(4, 1)
        cell = keep.sigmoid() * cell[: len(gates)] + write.sigmoid() * update.tanh()
        hidden = show.sigmoid() * cell.tanh()
    ended.append(hidden)
    return torch.cat(ended[::-1])[longest_first.argsort()]
