"""``import fairseq_see.plugin`` registers models and criterions with fairseq, and prepares it to load them."""

import fairseq_see.criterions
import fairseq_see.models  # noqa: F401
