"""fairseq_see: embedding tables of translation models, 10x to 80x smaller.

Importing this package makes its architectures known to fairseq, where fairseq is installed. It does not import fairseq
by itself: ``fairseq_see.embeddings`` needs only torch and safetensors, ``fairseq_see.units`` only numpy, so whoever
uses those alone does not wait for the rest. If fairseq has been imported already (``--user-dir`` does it in that order)
the plugin registers now, otherwise at the moment fairseq is imported.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType

__version__ = "0.1.0"


class _RegisterWithFairseq:
    """Import hook: load the plugin as soon as fairseq itself is loaded, and let any error of either through."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "fairseq":
            return None
        # An editable installation has a finder of its own, and who only asks for the spec does not import.
        finders = (finder for finder in sys.meta_path if finder is not cls and hasattr(finder, "find_spec"))
        spec = next(filter(None, (finder.find_spec(name, path, target) for finder in finders)), None)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_register(module: ModuleType) -> None:
                if cls in sys.meta_path:
                    sys.meta_path.remove(cls)
                load(module)
                import_module("fairseq_see.plugin")

            spec.loader.exec_module = load_and_register  # type: ignore[method-assign]
        return spec


if sys.modules.get("fairseq") is not None:
    import_module("fairseq_see.plugin")
else:
    sys.meta_path.insert(0, _RegisterWithFairseq)
