"""fairseq models of this package; every module here registers its own."""

# The plugin loads these modules in the right order, whichever of them is imported first.
import fairseq_see.plugin  # noqa: F401
