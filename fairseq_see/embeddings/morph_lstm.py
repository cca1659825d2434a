"""MorphLSTM (Gan et al. 2022, arXiv 2210.15379; SEE, arXiv 2412.12204, table 5): an LSTM reads a word's morphemes.

    e(w) = g h[n],    h = LSTM(v[M(w,1)], ..., v[M(w,n)])

    M(w, t): the n <= o morphemes of w;  v: (M, d);  the LSTM: d -> d, one layer (unit_lstm.py)

g is a fixed factor, measured at the start, that gives rows the variance of a dense table, 1/d. Parameters: M d, and
8 d^2 + 4 d of the LSTM, M being the morphemes without padding units. It is not a compression: it shows what morphemes
are worth where vectors are as long as those of words.
"""

from __future__ import annotations

from fairseq_see.embeddings.base import register
from fairseq_see.embeddings.unit_lstm import LSTMEmbedding


@register("morph_lstm")
class MorphLSTMEmbedding(LSTMEmbedding):
    """A word is what an LSTM makes of its morphemes, as the unit index has them."""

    senses = False
