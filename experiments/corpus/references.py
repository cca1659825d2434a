"""References of a test set as they are, without the marks that some tools take for the end of a line.

python -m experiments.corpus.references FILE > REFERENCES
"""

import sys

from experiments.corpus.clean import iterate_lines
from fairseq_see.errors import ends_in_one_line

if __name__ == "__main__":
    with ends_in_one_line():
        for line in iterate_lines(sys.argv[1]):
            sys.stdout.buffer.write(f"{' '.join(line.splitlines())}\n".encode())
