"""Words to subwords: sentencepiece's unigram model (Kudo 2018, arXiv 1804.10959).

It is trained on, and applied to, text that ``words`` has split. So a subword never reaches beyond a word, ``▁`` always
begins one, and ``subwords.replace(" ", "").replace("▁", " ")`` is the words again. (A ``▁`` of the text's own becomes a
space by that.)

python -m experiments.corpus.sentencepiece_model learn SIZE LANGUAGE WORDS > MODEL
python -m experiments.corpus.sentencepiece_model apply MODEL WORDS > SUBWORDS
"""

import io
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator

from experiments.corpus.clean import iterate_lines
from fairseq_see.errors import SeeError, ends_in_one_line
from fairseq_see.text import load_subwords

COVERAGE = {"zh": 0.9995, "ja": 0.9995, "joined": 0.9999}
"""Share of a text's characters that subwords must be able to spell, 1 unless stated; the rarest become ``<unk>``.

Chinese has thousands of rare characters, each of which would take the place of a subword. An alphabet has so few that
the same share would take capital letters and digits. Of a joined text about a quarter of the characters is Chinese.
"""

_BESIDE = 20


def learn(lines: Iterable[str], size: int, language: str) -> bytes:
    """Train a model; the same words give the same bytes, whatever their order.

    (There is no randomness in the training, and it adds up in the order of its threads: their number is fixed.)

    Args:
        lines: words with spaces between them.
        size: number of subwords, ``<unk>`` not counted.
        language: code of the language, or ``joined``.

    Raises:
        SeeError: the text has too few words or too many characters for ``size``; the message names the limit.
    """
    from sentencepiece import SentencePieceTrainer

    model = io.BytesIO()
    try:
        SentencePieceTrainer.train(
            sentence_iterator=_group_words(lines),
            model_writer=model,
            vocab_size=size + 1,
            character_coverage=COVERAGE.get(language, 1.0),
            normalization_rule_name="identity",  # cleaning has normalised, and keeps full-width marks
            bos_id=-1,  # fairseq has its own
            eos_id=-1,
            num_threads=16,
            max_sentence_length=2**30,
            minloglevel=2,
        )
    except RuntimeError as error:
        raise SeeError(_explain(str(error), size, language)) from error
    return model.getvalue()


def _group_words(lines: Iterable[str]) -> Iterator[str]:
    """The words as often as they occur, but next to themselves.

    A string becomes a candidate for a subword only if different characters follow it somewhere in the text (the inner
    nodes of a suffix tree). In text that is split into words, a space follows most words wherever they are: "this"
    would be no candidate, and "thi" be one. Here the end of a line follows it too.
    """
    counts = Counter(word for line in lines for word in line.split())
    for word, count in sorted(counts.items()):
        for done in range(0, count, _BESIDE):
            yield " ".join([word] * min(_BESIDE, count - done))


def _explain(message: str, size: int, language: str) -> str:
    if found := re.search(r"set it to a value <= (\d+)", message):
        return f"the {language} text is too small for {size} subwords; the largest size is {int(found[1]) - 1}"
    if found := re.search(r"required_chars\. \d+ vs (\d+)", message):
        least = int(found[1]) - 1
        return f"the {language} text has too many characters for {size} subwords; the smallest size is {least}"
    return f"sentencepiece cannot learn from the {language} text: {' '.join(message.split())}"


@ends_in_one_line()
def main(action: str, model_or_size: str, *rest: str) -> None:
    """Learn or apply a model; the result goes to standard output."""
    lines = iterate_lines(rest[-1])
    if action == "learn":
        sys.stdout.buffer.write(learn(lines, int(model_or_size), rest[0]))
    else:
        encode = load_subwords(model_or_size, "sentencepiece")
        sys.stdout.buffer.writelines(f"{' '.join(encode(line))}\n".encode() for line in lines)


if __name__ == "__main__":
    main(*sys.argv[1:])
