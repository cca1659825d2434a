# From raw text to what fairseq reads: cleaning, words (jieba, Moses), subwords, fairseq-preprocess.


rule clean:
    input: lambda w: [f"{S.prefixes[w.set]}.{side}" for side in S.sides]
    output: expand(f"{PREP}/clean/{{{{set}}}}.{{s}}", s=S.sides), report=f"{PREP}/clean/{{set}}.json"
    params:
        options=lambda w: {
            "train": [f"--max-pairs={S.max_pairs}"] if S.max_pairs else [], "dev": ["--keep-duplicates"]
        }.get(w.set, ["--no-filter"]) + S.limits,
    shell:
        "rm -f {PREP:q}/clean/.{wildcards.set}.* && python -m experiments clean {input:q} --source-lang {SRC} --target-lang {TGT}"
        " --output {PREP:q}/clean/{wildcards.set} --report {output.report:q} {params.options:q}"


rule summary:
    input: [f"{PREP}/clean/{name}.json" for name in SPLITS]
    output: f"{PREP}/report.txt"
    params: names=list(SPLITS)
    shell: "python -m experiments.corpus.summary {PREP:q}/clean {params.names:q} | tee {output:q}"


rule reference:
    input: lambda w: f"{S.prefixes[w.set]}.{w.side}"
    output: f"{PREP}/raw/{{set}}.{{side}}"
    shell: "python -m experiments.corpus.references {input:q} > {output:q}"


rule tokenise:
    input: f"{PREP}/clean/{{set}}.{{side}}"
    output: f"{PREP}/tok/{{set}}.{{side}}"
    wildcard_constraints: side=match_any(S.sides)
    threads: 8
    shell: "python -m experiments.corpus.tokenize split --lang {wildcards.side} --workers {threads} < {input:q} > {output:q}"


rule join_languages:
    input: expand(f"{PREP}/tok/train.{{s}}", s=S.sides)
    output: f"{PREP}/tok/train.{SIDES}"
    shell: "cat {input:q} > {output:q}"


if S.like:

    rule take_subwords:
        input: f"{S.like}/{CODES.format('{side}')}"
        output: f"{{data}}/{CODES.format('{side}')}"
        shell: "cp {input:q} {output:q}"

else:

    rule learn_subwords:
        input: lambda w: f"{PREP}/tok/train.{SIDES if TEXTS[w.data][1] else w.side}"
        output: f"{{data}}/{CODES.format('{side}')}"
        params:
            size=lambda w: TEXTS[w.data][0],
            language=lambda w: "joined" if TEXTS[w.data][1] else w.side,
        threads: 8 if S.subwords == "bpe" else 1
        shell:
            "subword-nmt learn-bpe --symbols {params.size} --num-workers {threads} --input {input:q} > {output:q}"
            if S.subwords == "bpe"
            else "python -m experiments.corpus.sentencepiece_model learn {params.size} {params.language} {input:q}"
            " > {output:q}"

    rule share_subwords:
        input: f"{{data}}/{CODES.format(SRC)}"
        output: f"{{data}}/{CODES.format(TGT)}"
        wildcard_constraints: data=match_any([data for data, (_, joined) in TEXTS.items() if joined])
        shell: "cp {input:q} {output:q}"

    ruleorder: share_subwords > learn_subwords


rule apply_subwords:
    input: codes=f"{{data}}/{CODES.format('{side}')}", words=f"{PREP}/tok/{{set}}.{{side}}"
    output: "{data}/subwords/{set}.{side}"
    threads: 8 if S.subwords == "bpe" else 1
    shell:
        "subword-nmt apply-bpe --codes {input.codes:q} --input {input.words:q} --num-workers {threads} > {output:q}"
        if S.subwords == "bpe"
        else "python -m experiments.corpus.sentencepiece_model apply {input.codes:q} {input.words:q} > {output:q}"


def name_sets(data):
    """Options of fairseq-preprocess that name the sets."""
    options = [f"--{SPLITS[name]}pref={data}/subwords/{name}" for name in ("train", "dev") if name in SPLITS]
    return [*options, f"--testpref={','.join(f'{data}/subwords/{name}' for name in S.tests)}"]


def choose_dictionaries(data):
    if S.like:
        return [f"--srcdict={S.like}/data-bin/dict.{SRC}.txt", f"--tgtdict={S.like}/data-bin/dict.{TGT}.txt"]
    return ["--joined-dictionary"] if TEXTS[data][1] else []


rule binarise:
    input: expand("{{data}}/subwords/{set}.{side}", set=SPLITS, side=S.sides)
    output:
        expand("{{data}}/data-bin/dict.{side}.txt", side=S.sides),
        expand(f"{{{{data}}}}/data-bin/{{split}}.{SIDES}.{{side}}.{{end}}", split=SPLITS.values(), side=S.sides, end=("bin", "idx")),
    params: sets=lambda w: name_sets(w.data), dictionaries=lambda w: choose_dictionaries(w.data)
    threads: 8
    shell:
        "fairseq-preprocess --source-lang {SRC} --target-lang {TGT} {params.sets:q} {params.dictionaries:q}"
        " --destdir {wildcards.data:q}/data-bin --workers {threads}"


rule name_tests:
    output: "{data}/tests.txt"
    params: lines=[f"{SPLITS[name]}\t{name}" for name in S.tests]
    shell: "printf '%s\\n' {params.lines:q} > {output:q}"


# Sequence-level distillation (Kim and Rush 2016): the text of S.like with a teacher's translations as targets.
if S.like and S.choice.teacher:
    BINARY = [f"{S.like}/data-bin/train.{SIDES}.{side}.bin" for side in S.sides]

    def count_parts():
        """Of some 65,000 subwords each, minutes on a CPU; fairseq-generate fails if there are more parts than batches."""
        return 1 + Path(BINARY[1]).stat().st_size // 2**17

    rule translate:
        input: f"{S.choice.teacher}/checkpoints/checkpoint_best.pt", BINARY
        output: f"{PREP}/translations/{{part}}.txt"
        log: f"{PREP}/translations/{{part}}.log"
        params: parts=lambda w: count_parts()
        resources: gpu=GPU
        # fairseq-generate takes parts by the options of a distributed training; its --num-shards does nothing.
        shell:
            "source {SCRIPTS:q}/common.sh && take_gpu &&"
            " fairseq-generate {S.like:q}/data-bin --user-dir {ROOT:q}/fairseq_see --path {input[0]:q} --source-lang {SRC}"
            " --target-lang {TGT} --gen-subset train --beam 5 --max-tokens 4096 --required-batch-size-multiple 1"
            " --distributed-world-size {params.parts} --distributed-rank {wildcards.part} > {output:q} 2> {log:q}"

    rule distil_text:
        input:
            text=[f"{S.like}/subwords/train.{side}" for side in S.sides],
            parts=lambda w: [f"{PREP}/translations/{part}.txt" for part in range(count_parts())],
            indexes=sorted(map(str, Path(S.like, "data-bin").glob("dict.*.see"))),
        output: directory(f"{PREP}/subwords"), directory(f"{PREP}/data-bin")
        params: dictionaries=choose_dictionaries(PREP)
        threads: 8
        # In the order in which the other rules make them, for they compare dates.
        shell:
            "mkdir -p {output:q} && cp -rpL {S.like:q}/subwords/. {output[0]:q}"
            " && python -m experiments.distil_text choose {input.text:q} {input.parts:q} > {output[0]:q}/train.{TGT}"
            " && cp -- {S.like:q}/data-bin/{{valid,test}}*.{{bin,idx}} {output[1]:q}"
            " && fairseq-preprocess --source-lang {SRC} --target-lang {TGT} --trainpref {output[0]:q}/train"
            " {params.dictionaries:q} --destdir {output[1]:q} --workers {threads}"
            " && for index in {input.indexes:q}; do cp -- \"$index\" {output[1]:q}; done"
