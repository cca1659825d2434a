"""SememeLSTM (SEE, arXiv 2412.12204, table 5): an LSTM reads a word's sememes and then its morphemes.

    e(w) = g h[n],    h = LSTM(v[x_1], ..., v[x_n])

    x_1 ... x_n: the sememes of the first sense of w, of its second, ... of its last; then its morphemes
    v: (S + M, d);  the LSTM: d -> d, one layer (unit_lstm.py)

g is a fixed factor, measured at the start, that gives rows the variance of a dense table, 1/d. Parameters: (S + M) d,
and 8 d^2 + 4 d of the LSTM, S and M being the sememes and morphemes without padding units.

The paper says that "the high-dimensional vectors of the morphemes or sememe related to the current token" are put into
an LSTM, and there is no published code; the rest is our choice. The units are SEE's, so that the two methods differ in
nothing but what is made of them, and come in SEE's order, sememes as HowNet has them. Morphemes are read last, for two
reasons: most words share all their sememes with others, and an LSTM remembers best what it has read last, so that a
word stays itself; and a word without senses is left with its morphemes, as MorphLSTM reads them.
"""

from __future__ import annotations

from fairseq_see.embeddings.base import register
from fairseq_see.embeddings.unit_lstm import LSTMEmbedding


@register("sememe_lstm")
class SememeLSTMEmbedding(LSTMEmbedding):
    """A word is what an LSTM makes of the sememes of its senses and of its morphemes, as the unit index has them."""

    senses = True
