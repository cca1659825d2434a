"""fairseq models of this package; every module here registers its own, whichever is imported first."""

import pkgutil
from importlib import import_module

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
