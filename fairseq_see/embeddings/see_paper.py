"""SEE as its paper has it (Zhang et al. 2024, arXiv 2412.12204, equations 3 and 4), in training too.

There is no LayerNorm, and all units own equally many vectors. The paper's m is whole besides, which ``whole_m``
(``--see-whole-m``) gives at the price of ratios that are only roughly met.
"""

from types import MappingProxyType

from fairseq_see.embeddings.base import register
from fairseq_see.embeddings.see import SEEEmbedding


@register("see_paper")
class PaperSEEEmbedding(SEEEmbedding):
    """:class:`~fairseq_see.embeddings.see.SEEEmbedding` without what we add for training."""

    for_training = MappingProxyType({})
