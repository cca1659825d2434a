"""fairseq_see: embedding matrices of translation models, 10x to 80x smaller.

``fairseq_see.embeddings`` needs only torch and safetensors, ``fairseq_see.units`` only numpy. ``import
fairseq_see.plugin`` registers the architectures with fairseq; ``--user-dir fairseq_see`` does it by itself.
"""

import sys
from importlib import import_module

__version__ = "0.2.0.dev0"

# --user-dir: fairseq imports this package, and finds architectures but no criterions by itself.
if sys.modules.get("fairseq"):
    import_module("fairseq_see.plugin")
