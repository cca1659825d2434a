"""Raw text through an exported model: words a second, start-up, peak memory and BLEU of each way to translate.

python benchmarks/shipping.py FOLDER --data PREPARED/data-bin --test TEXT/test

FOLDER is what fairseq-see export wrote, TEXT/test.LANG are the raw texts of the test set of PREPARED. Every way is a
process of its own. Start-up is its time for one sentence, of fairseq-generate what it does not report as translating;
words a second are words of the references over the rest.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from measure import finish, make_parser, print_table
from sacrebleu.metrics import BLEU

from fairseq_see import user_dir
from fairseq_see.export_config import WEIGHTS, read_config
from fairseq_see.io import read_lines


def run(command: list[str | Path], source: Path, errors: int = subprocess.DEVNULL) -> tuple[list[str], float, int]:
    """The lines that a process prints of a file, its seconds, and the bytes that it held at most."""
    with TemporaryDirectory() as folder, source.open() as given, Path(folder, "out").open("wb") as out:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=given, stdout=out, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            raise SystemExit(f"status {os.waitstatus_to_exitcode(status)}: {' '.join(map(str, command))}")
        return read_lines(out.name), seconds, usage.ru_maxrss * 1024


def list_ways(folder: Path, data: Path, temporary: Path, device: str) -> dict[str, list[str | Path]]:
    """The command of each way; CTranslate2's models are made in a temporary folder."""
    see = [sys.executable, "-m", "fairseq_see.cli.main"]
    generate = [sys.executable, "-m", "fairseq_cli.generate", data, "--user-dir", Path(user_dir.__file__).parent]
    generate += ["--path", folder / WEIGHTS, "--beam", "5", "--max-tokens", "4096", "--remove-bpe"]
    generate += ["--cpu"] if device == "cpu" else []
    ways = {
        "fairseq-generate": generate,
        "fairseq-generate, factored": [*generate, "--model-overrides", "{'see_inference': 'factored'}"],
        "translate": [*see, "translate", folder, "--device", device],
    }
    for precision in ("float32", "int8"):
        converted = temporary / precision
        options = ["--quantization", precision] if precision == "int8" else []
        subprocess.run([*see, "export", folder, "--to-ctranslate2", converted, *options], check=True)
        ways[f"translate, CTranslate2 {precision}"] = [*see, "translate", converted, "--device", device]
    return ways


def main() -> None:
    """Measure all ways in turn, print a table."""
    parser = make_parser(__doc__, words=False)
    parser.add_argument("folder", metavar="FOLDER", type=Path)
    parser.add_argument("--data", metavar="DATA-BIN", required=True, type=Path)
    parser.add_argument("--test", metavar="PREFIX", required=True)
    args = parser.parse_args()
    task = read_config(args.folder)["cfg"]["task"]
    source, target = (Path(f"{args.test}.{task[f'{side}_lang']}") for side in ("source", "target"))
    references = read_lines(target)
    words = sum(len(line.split()) for line in references)
    with TemporaryDirectory() as folder:
        one = Path(folder, "one")
        one.write_text(f"{read_lines(source)[0]}\n", encoding="utf-8")
        ways = list_ways(args.folder, args.data, Path(folder), args.device)
        rounds: dict[str, list[tuple[float, float, float]]] = {way: [] for way in ways}
        translations: dict[str, list[str]] = {}
        for _ in range(args.rounds):
            for way, command in ways.items():
                generates = way.startswith("fairseq-generate")
                lines, seconds, memory = run(command, source, subprocess.STDOUT if generates else subprocess.DEVNULL)
                if generates:
                    (translating,) = re.findall(r"Translated .* tokens\) in ([\d.]+)s", "\n".join(lines))
                    start_up = seconds - float(translating)
                else:
                    translations[way] = lines
                    _, start_up, _ = run(command, one)
                rounds[way].append((start_up, words / (seconds - start_up), memory / 2**20))
    columns = ("start-up s", "words/s", "peak MiB")
    results = {way: dict(zip(columns, map(median, zip(*of, strict=True)), strict=True)) for way, of in rounds.items()}
    bleu = BLEU(trg_lang=task["target_lang"])
    for way, lines in translations.items():
        results[way]["BLEU"] = bleu.corpus_score(lines, [references]).score
    print_table([{"": way} | of for way, of in results.items()], "", ".2f", ".0f", ".0f", ".2f")
    finish({"results": results}, args.json)


if __name__ == "__main__":
    main()
