# Language models: what compressing the embedding matrix does to their perplexity (Balazy et al. 2021), a classifier, BERT
# and an LLM. The text is the English side of the corpus.
LANG = "en" if "en" in S.sides else TGT
QUESTIONS = (
    "sentence_prediction --criterion sentence_prediction --num-classes 2 --init-token 0 --max-positions 128"
    " --shorten-method truncate"
)
LM, CLASSIFIER, TEST = f"{S.out}/lm", f"{S.out}/classification", (S.tests or ["test"])[0]
WEIGHTS = config.get("weights", "none frequency").split()
LM_METHODS = S.choice.methods or ["svd", "direction", "see"]
# In place of what the fit configuration has; not tuned.
MORE = {"see": ["--epochs", "200"]}
LM_FITS = {
    f"{fit}-{ratio:g}x-{weights}-{part}": ["--preset", fit, "--see-ratio", f"{ratio:g}", "--weights", weights]
    + (["--input-only"] if part == "input" else [])
    + MORE.get(fit, [])
    for ratio in S.choice.ratios or (5, 10)
    for fit in LM_METHODS
    for weights in WEIGHTS
    for part in ("input", "tied")
}


rule language_model:
    input: expand(f"{LM}/{{run}}/run.json", run=["dense", *LM_FITS])
    shell: "python -m experiments report {LM:q}"


rule binarise_lm:
    input: expand(f"{PREP}/subwords/{{name}}.{LANG}", name=("train", "dev", TEST)), f"{PREP}/data-bin/dict.{LANG}.see"
    output: f"{LM}/data-bin/dict.txt", f"{LM}/data-bin/dict.see", expand(f"{LM}/data-bin/{{s}}.bin", s=("train", "valid", "test"))
    threads: 8
    shell:
        "fairseq-preprocess --only-source --srcdict {PREP:q}/data-bin/dict.{LANG}.txt --trainpref {input[0]:q}"
        " --validpref {input[1]:q} --testpref {input[2]:q} --destdir {LM:q}/data-bin --workers {threads}"
        # The dictionary is the same, and so is its index.
        " && cp -- {input[3]:q} {LM:q}/data-bin/dict.see"


rule train_lm:
    input: rules.binarise_lm.output
    output: f"{LM}/dense/train.json"
    params: overrides=[f"{key}={value}" for key, value in S.choice.overrides.items()]
    resources: gpu=GPU
    shell: "{SCRIPTS}/train.sh lm_en {LM:q}/data-bin {LM:q}/dense model.see_method=dense {params.overrides:q}"


rule fit_lm:
    input: f"{LM}/dense/train.json"
    output: f"{LM}/{{run}}/train.json"
    wildcard_constraints: run=match_any(LM_FITS)
    params: options=lambda w: LM_FITS[w.run]
    resources: gpu=GPU
    shell: "{SCRIPTS}/fit.sh {LM:q}/dense {LM:q}/{wildcards.run} {LM:q} {params.options:q}"


rule measure:
    input: "{folder}/{run}/train.json"
    output: "{folder}/{run}/run.json"
    wildcard_constraints: folder=match_any([LM, CLASSIFIER]), run="[^/]+"
    params: task=lambda w: "language_modeling" if w.folder == LM else QUESTIONS
    resources: gpu=GPU
    shell:
        "fairseq-validate {wildcards.folder:q}/data-bin --user-dir {ROOT:q}/fairseq_see --valid-subset test --task {params.task}"
        " --path {wildcards.folder:q}/{wildcards.run}/checkpoints/checkpoint_best.pt --max-tokens 4096"
        " --required-batch-size-multiple 1 --no-progress-bar --log-format json"
        " > {wildcards.folder:q}/{wildcards.run}/test.log 2>&1"
        " && python -m experiments.recording measured {wildcards.folder:q}/{wildcards.run}"


CLASSIFIERS = {
    "-".join([method, *([f"{ratio:g}x"] if method != "dense" else [])]): (method, ratio)
    for method in S.choice.methods or ("dense", "see")
    for ratio in S.choice.ratios or (10,)
}


rule classification:
    input: expand(f"{CLASSIFIER}/{{run}}/run.json", run=CLASSIFIERS)
    shell: "python -m experiments report {CLASSIFIER:q}"


rule binarise_questions:
    input: f"{PREP}/subwords/train.{LANG}", f"{PREP}/data-bin/dict.{LANG}.txt", f"{PREP}/data-bin/dict.{LANG}.see"
    output: expand(f"{CLASSIFIER}/data-bin/{{kind}}/dict.txt", kind=("input0", "label")), f"{CLASSIFIER}/data-bin/input0/dict.see"
    shell:
        "python -m experiments.corpus.questions {input[0]:q} {CLASSIFIER:q}/text &&"
        " for part in 'input0 input --srcdict {input[1]}' 'label label'; do set -- $part;"
        " fairseq-preprocess --only-source --trainpref {CLASSIFIER:q}/text/train.$2 --validpref {CLASSIFIER:q}/text/valid.$2"
        " --testpref {CLASSIFIER:q}/text/test.$2 --destdir {CLASSIFIER:q}/data-bin/$1 ${{@:3}}; done &&"
        " cp -- {input[2]:q} {CLASSIFIER:q}/data-bin/input0/dict.see"


rule classify:
    input: rules.binarise_questions.output
    output: f"{CLASSIFIER}/{{run}}/train.json"
    wildcard_constraints: run=match_any(CLASSIFIERS)
    params:
        method=lambda w: CLASSIFIERS[w.run][0],
        ratio=lambda w: CLASSIFIERS[w.run][1],
        options=config.get("options", "").split(),
    resources: gpu=GPU
    shell:
        "{SCRIPTS}/classify.sh {CLASSIFIER:q}/data-bin {CLASSIFIER:q}/{wildcards.run} {params.method} {params.ratio}"
        " {params.options:q}"


# The modules keep what is done; --config options="..." gives them further options.
rule bert:
    output: touch(f"{S.out}/bert/complete")
    params: model=config.get("model", "bert-base-uncased"), task=config.get("task", "mlm"), options=config.get("options", "").split()
    resources: gpu=GPU
    shell:
        "{SCRIPTS}/compress_bert.sh --model {params.model:q} --out {S.out:q}/bert --task {params.task}"
        " {params.options:q}"


rule llm:
    output: f"{S.out}/llm/results.json"
    params: model=config.get("model", "microsoft/Phi-3-mini-4k-instruct"), task=config.get("task", "arc"), options=config.get("options", "").split()
    resources: gpu=GPU
    shell:
        "{SCRIPTS}/distil_llm.sh --model {params.model:q} --task {params.task} --output {S.out:q}/llm {params.options:q}"
