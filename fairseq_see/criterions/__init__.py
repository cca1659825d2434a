"""fairseq criterions of this package; every module here registers its own."""

import fairseq  # noqa: F401
