"""fairseq models of this package; every module here registers its own."""

# First, because fairseq's arrival loads the plugin, and the plugin loads these modules in the right order.
import fairseq  # noqa: F401
