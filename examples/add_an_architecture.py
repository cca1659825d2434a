"""Every embedding in a model that fairseq brings along: here fairseq's LSTM.

Put this into the ``__init__.py`` of a folder of your own, ``my_lstm``, and train it:

    fairseq-train DATA --user-dir my_lstm --arch see_lstm_small --see-ratio 5 ...

Resuming and generating work as with ``see_transformer``. In place of the LSTM it can be any encoder-decoder whose
halves look tokens up in ``embed_tokens``, ``lightconv`` for example; a tied output stays tied.
"""

from fairseq.models import register_model, register_model_architecture
from fairseq.models.lstm import LSTMModel, base_architecture

from fairseq_see.models.replace import add_embedding_options, replace_embeddings


@register_model("see_lstm")
class SEELSTMModel(LSTMModel):
    @staticmethod
    def add_args(parser):
        LSTMModel.add_args(parser)
        add_embedding_options(parser)

    @classmethod
    def build_model(cls, args, task):
        return replace_embeddings(super().build_model(args, task), args, task)


@register_model_architecture("see_lstm", "see_lstm_small")
def small(args):
    for name in ("encoder_embed_dim", "decoder_embed_dim", "decoder_out_embed_dim"):
        setattr(args, name, getattr(args, name, 64))
    args.share_decoder_input_output_embed = True
    base_architecture(args)
