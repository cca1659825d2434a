"""Distillation with the Trainer: its losses, stages, accumulation and resuming."""

import copy
import math
import os
import sys
from pathlib import Path

import pytest
import torch
from transformers import TrainingArguments

from experiments.llm.data import collate
from fairseq_see.distillation.stages import Stages, Weights
from fairseq_see.errors import SeeError
from fairseq_see.hf import compress_embeddings
from fairseq_see.hf.distillation import IGNORED, PAPER, DistillationTrainer
from tests.helpers import run_command
from tests.hf.conftest import count_rows, make_tiny

STAGES = Stages(
    start=Weights(embedding=5.0, hidden=0.4), formal=Weights(kl=0.7, embedding=3.0, hidden=0.2, ce=1.0), updates=1
)


def make_examples(rows, count=12, seed=0):
    """Sequences of 4 to 9 tokens; of every other one the beginning is not to be learned."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for i in range(count):
        ids = torch.randint(3, rows, (4 + int(torch.randint(0, 6, (), generator=generator)),), generator=generator)
        given = 2 * (i % 2)
        made.append({"input_ids": ids.tolist(), "labels": [IGNORED] * given + ids.tolist()[given:]})
    return made


def make_arguments(folder: Path, **options) -> TrainingArguments:
    options = {"per_device_train_batch_size": 2, "logging_steps": 1, "save_strategy": "no", **options}
    options = {"learning_rate": 1e-2, "lr_scheduler_type": "constant", "max_grad_norm": 0.0, **options}
    return TrainingArguments(str(folder), use_cpu=True, report_to="none", disable_tqdm=True, **options)


def make(folder, teacher, student, data=None, stages=STAGES, layers="all", temperature=1.0, **options):
    return DistillationTrainer(
        *(student, make_arguments(folder, **options)),
        teacher=teacher,
        stages=stages,
        layers=layers,
        temperature=temperature,
        train_dataset=data,
        data_collator=collate,
    )


@pytest.fixture(scope="module")
def models(tokenizers, indexes):
    """Family -> a teacher, and a student that was it before its embeddings were compressed."""

    def build(family):
        teacher = make_tiny(family, count_rows(tokenizers[family]))
        return teacher, compress_embeddings(copy.deepcopy(teacher), ratio=2, index=indexes[family])

    return build


def sum_losses_by_sentence(student, teacher, data, temperature):
    """Eq. 5 to 8 without a mask, a batch or a hook: each sentence alone, no padding, matrices in full."""
    total = dict.fromkeys(("ce", "kl", "embedding", "hidden"), 0.0)
    matrices = [model.get_input_embeddings().weight for model in (student, teacher)]
    for example in data:
        ids, labels = example["input_ids"], example["labels"]
        outputs = [model(torch.tensor([ids]), output_hidden_states=True) for model in (student, teacher)]
        for t in range(1, len(ids)):
            if labels[t] == IGNORED:
                continue
            q, p = (torch.softmax(output.logits[0, t - 1] / temperature, 0).tolist() for output in outputs)
            total["kl"] += sum(a * (math.log(a) - math.log(b)) for a, b in zip(p, q, strict=True))
            total["ce"] -= math.log(torch.softmax(outputs[0].logits[0, t - 1], 0)[ids[t]].item())
        states = list(zip(*(output.hidden_states for output in outputs), strict=True))
        for ours, theirs in states:
            total["hidden"] += sum(float(d.square().mean()) for d in (ours - theirs)[0]) / len(states)
        total["embedding"] += sum(float((matrices[0][i] - matrices[1][i]).square().mean()) for i in ids)
    return total


@pytest.mark.parametrize("family", ["phi3", "gpt2"])
@pytest.mark.parametrize("stage", ["start", "formal"])
def test_losses_are_the_papers(tmp_path, models, family, stage):
    """Embeddings are those of the matrix also where, as in GPT-2, layer 0 adds a position to them."""
    teacher, student = (model.double() for model in models(family))
    for module in student.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    data = make_examples(teacher.config.vocab_size, 4)
    trainer = make(tmp_path, teacher, student, temperature=2.0)
    trainer.state.global_step = int(stage == "formal")
    tokens = sum(label != IGNORED for example in data for label in example["labels"][1:])
    with torch.no_grad():
        expected = sum_losses_by_sentence(student, teacher, data, 2.0)
    weights = STAGES.choose(trainer.state.global_step, 1)
    loss = trainer.compute_loss(student.train(), collate(data), num_items_in_batch=3 * tokens)
    for name, weight in weights._asdict().items():
        assert (name in trainer._logged) == (weight > 0)
        if weight:
            # Compressed embeddings compute in single precision.
            found = float(trainer._logged[name][0]) * 3 * tokens
            assert found == pytest.approx(expected[name], rel=1e-5), name
    total = sum(weight * expected[name] for name, weight in weights._asdict().items())
    assert loss.item() == pytest.approx(total / (3 * tokens), rel=1e-5)


def test_chosen_layers_are_compared(tmp_path, models):
    teacher, student = models("phi3")
    batch = collate(make_examples(teacher.config.vocab_size, 2))
    stages = Stages(Weights(), Weights(hidden=1.0))
    trainer = make(tmp_path, teacher, student, stages=stages, layers="0,2:1")
    loss = trainer.compute_loss(student.train(), batch, num_items_in_batch=1)
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad():
        ours, theirs = (model(**inputs, output_hidden_states=True).hidden_states for model in (student, teacher))
    difference = ((ours[0] - theirs[0]) ** 2 + (ours[2] - theirs[1]) ** 2).mean(-1) / 2
    assert loss.item() == pytest.approx(difference[batch["attention_mask"].bool()].sum().item(), rel=1e-5)


@pytest.mark.parametrize("updates", [0, 1])
def test_an_update_may_be_split_into_batches(tmp_path, models, updates):
    teacher, student = models("llama-tied")
    data, weights, logs = make_examples(teacher.config.vocab_size, 4), [], []
    for batch in (4, 1):
        model = copy.deepcopy(student)
        options = {"per_device_train_batch_size": batch, "gradient_accumulation_steps": 4 // batch}
        stages = STAGES._replace(updates=updates)
        trainer = make(tmp_path, teacher, model, data, stages, **options, optim="sgd", learning_rate=0.5, max_steps=1)
        trainer.train()
        weights.append(model.state_dict())
        logs.append(trainer.state.log_history[0])
    before = student.state_dict()
    assert any(not torch.equal(before[name], value) for name, value in weights[0].items())
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=1e-4, atol=1e-6)
    names = [name for name in logs[0] if name.endswith("loss")]
    assert len(names) == (3 if updates else 5)
    for name in names:
        assert logs[1][name] == pytest.approx(logs[0][name], rel=1e-4)


def run_one_update(folder: Path, updates: int, batch: int) -> dict:
    """Weights and logged losses after an update in the start stage (``updates`` is 1), or in the formal one (0)."""
    student = compress_embeddings(make_tiny("llama-tied", 64), method="low_rank", ratio=2)
    options = {"max_steps": 1, "learning_rate": 0.5, "optim": "sgd", "per_device_train_batch_size": batch}
    stages, data = STAGES._replace(updates=updates), make_examples(64, 4)
    trainer = make(folder, make_tiny("llama-tied", 64), student, data, stages, **options)
    trainer.train()
    log = {name: value for name, value in trainer.state.log_history[0].items() if name.endswith("loss")}
    return {"weights": student.state_dict(), "log": log}


@pytest.mark.slow
def test_two_processes_make_the_update_of_one(tmp_path):
    """In both stages, of which the first uses neither the output layer nor the last norm."""
    run_command("torchrun", "--standalone", "--nproc-per-node", "2", "-m", __name__, tmp_path / "two.pt")
    runs = [run_one_update(tmp_path, updates, 4) for updates in (0, 1)]
    for one, two in zip(runs, torch.load(tmp_path / "two.pt", weights_only=True), strict=True):
        assert two["log"] == pytest.approx(one["log"], rel=1e-4)
        for name, value in one["weights"].items():
            torch.testing.assert_close(two["weights"][name], value, rtol=1e-4, atol=1e-6)
    assert len(runs[0]["log"]) == 5 and len(runs[1]["log"]) == 3


def test_terms_are_logged_and_the_stage_changes_after_its_epochs(tmp_path, models):
    teacher, student = models("phi3")
    original, data = copy.deepcopy(teacher.state_dict()), make_examples(teacher.config.vocab_size, 6)
    stages = STAGES._replace(updates=0, epochs=2)
    trainer = make(tmp_path, teacher, student, data, stages, num_train_epochs=3, save_strategy="epoch")
    trainer.train()
    steps = [log for log in trainer.state.log_history if "loss" in log]
    start, formal = {"embedding_loss", "hidden_loss"}, {"embedding_loss", "hidden_loss", "kl_loss", "ce_loss"}
    found = [{name for name in log if name.endswith("_loss")} for log in steps]
    assert found == [start] * 6 + [formal] * 3
    for log, weights in zip(steps, [stages.start] * 6 + [stages.formal] * 3, strict=True):
        terms = {name: log.get(f"{name}_loss", 0.0) for name in weights._fields}
        assert log["loss"] == pytest.approx(sum(getattr(weights, name) * terms[name] for name in terms), rel=1e-4)
    # The teacher is as it was, and in no checkpoint.
    assert not teacher.training and not any(p.requires_grad or p.grad is not None for p in teacher.parameters())
    assert all(torch.equal(value, original[name]) for name, value in teacher.state_dict().items())
    saved = sum(path.stat().st_size for path in (tmp_path / "checkpoint-9").glob("*.safetensors"))
    assert saved < 1.2 * sum(value.nbytes for value in student.state_dict().values())


def test_a_log_of_several_updates_has_their_means(tmp_path, models):
    teacher, student = models("phi3")
    data, means = make_examples(teacher.config.vocab_size, 8), []
    for every in (1, 4):
        trainer = make(tmp_path, teacher, copy.deepcopy(student), data, max_steps=4, logging_steps=every)
        trainer.train()
        logs = [log for log in trainer.state.log_history if "loss" in log]
        # The first update has no outputs: the mean of a loss is over the updates that computed it.
        means.append({name: [log[name] for log in logs if name in log] for name in logs[-1] if name.endswith("_loss")})
    assert len(means[0]["kl_loss"]) == 3 and len(means[0]["hidden_loss"]) == 4
    for name, (mean,) in means[1].items():
        assert mean == pytest.approx(sum(means[0][name]) / len(means[0][name]), rel=1e-4), name


@pytest.mark.parametrize("step", [2, 4])
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, models, step):
    """GPT-2, whose dropout draws random numbers; resumed in the middle of the start stage and of an epoch after it."""
    teacher, student = models("gpt2")
    data, ends = make_examples(teacher.config.vocab_size, 6), []
    stages = STAGES._replace(updates=0, epochs=1)
    for resume in (None, str(tmp_path / f"checkpoint-{step}")):
        model = copy.deepcopy(student)
        trainer = make(tmp_path, teacher, model, data, stages, max_steps=6, save_strategy="steps", save_steps=2)
        trainer.train(resume_from_checkpoint=resume)
        losses = [{name: log[name] for name in log if name.endswith("loss")} for log in trainer.state.log_history]
        ends.append((model.state_dict(), losses[:6]))
    assert ends[0][1] == ends[1][1]
    assert all(torch.equal(value, ends[1][0][name]) for name, value in ends[0][0].items())


def test_half_precision_and_checkpointing(tmp_path, models):
    """The teacher in bfloat16, the student's forward in autocast, activations computed again."""
    teacher, student = models("phi3")
    data, logs = make_examples(teacher.config.vocab_size, 8), []
    for half in (False, True):
        taught_by = copy.deepcopy(teacher).bfloat16() if half else teacher
        options = {"num_train_epochs": 2, "bf16": half, "activation_checkpointing": half}
        trainer = make(tmp_path, taught_by, copy.deepcopy(student), data, PAPER._replace(epochs=1), **options)
        trainer.train()
        logs.append([log for log in trainer.state.log_history if "loss" in log])
        assert all(p.dtype == torch.float32 for p in trainer.model.parameters())
    for log, half in zip(*logs, strict=True):
        for name in (name for name in log if name.endswith("loss")):
            assert half[name] == pytest.approx(log[name], rel=0.05, abs=0.01), name


def test_labels_are_smoothed_as_transformers_does(tmp_path, models):
    teacher, student = models("llama")
    batch = collate(make_examples(teacher.config.vocab_size, 3))
    trainer = make(tmp_path, teacher, student, stages=Stages(Weights(), Weights(ce=1.0), 0), label_smoothing_factor=0.2)
    loss = trainer.compute_loss(student.train(), batch)
    expected = trainer.label_smoother(student(**batch), batch["labels"], shift_labels=True)
    torch.testing.assert_close(loss, expected)


def test_evaluation_is_cross_entropy(tmp_path, models):
    teacher, student = models("llama")
    data = make_examples(teacher.config.vocab_size, 2)
    trainer = make(tmp_path, teacher, student, label_smoothing_factor=0.1, per_device_eval_batch_size=2)
    found = trainer.evaluate(data)["eval_loss"]
    with torch.no_grad():
        expected = student.eval()(**collate(data)).loss.item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_what_cannot_be_compared_is_refused(tmp_path, models):
    teacher, student = models("phi3")
    rows = teacher.config.vocab_size
    for other, message in (
        (student, "teacher is the student itself"),
        (make_tiny("bert", rows), "the teacher, a BertForMaskedLM, is no causal language model"),
        (make_tiny("t5", rows), "the teacher, a T5ForConditionalGeneration, is no causal language model"),
        (make_tiny("llama", rows + 8), f"teacher has {rows + 8} tokens, the student {rows}"),
    ):
        with pytest.raises(SeeError, match=message):
            make(tmp_path, other, student)
    for options, message in (
        ({"layers": "3"}, "no layers 3:3 in models of 2 layers"),
        ({"temperature": 0.0}, "temperature"),
        ({"stages": Stages(Weights(), Weights(kl=-1.0))}, "weight of the kl loss"),
    ):
        with pytest.raises(SeeError, match=message):
            make(tmp_path, teacher, student, **options)


if __name__ == "__main__":
    # By torchrun: the batch is divided among the processes.
    found = [run_one_update(Path(sys.argv[1]).parent, updates, 2) for updates in (0, 1)]
    if os.environ["RANK"] == "0":
        torch.save(found, sys.argv[1])
