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
