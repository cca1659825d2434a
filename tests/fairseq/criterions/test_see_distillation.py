"""The criterion on small models: its losses, who gets a gradient, stages, the cache, what is refused."""

import shutil
import subprocess

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.distributed import ModuleProxyWrapper
from fairseq.logging import metrics

from fairseq_see.cli.main import main
from fairseq_see.models.checkpoint import load_checkpoint
from fairseq_see.models.teacher import Teacher, observe_forward
from tests.fairseq.criterions.small import (
    WORDS,
    Optimizer,
    build,
    derive,
    load_task,
    make_criterion,
    make_samples,
    make_task,
    save_teacher,
)
from tests.forks import make_environment
from tests.helpers import make_environ

HALVES = ((0, 1, 2), (3, 4, 5))


@pytest.fixture
def task(tmp_path):
    return make_task(tmp_path / "data")


@pytest.fixture
def teacher(tmp_path, task):
    save_teacher(tmp_path / "teacher.pt", task)
    return tmp_path / "teacher.pt"


def sum_by_position(student, teacher, sample, temperature):
    """Eq. 5 to 7 without a mask, a batch or a hook: sentence by sentence, only real tokens, whole matrices."""
    total = dict.fromkeys(("kl", "embedding", "hidden"), 0.0)
    inputs = sample["net_input"]
    for batch in zip(inputs["src_tokens"], inputs["prev_output_tokens"], sample["target"], strict=True):
        source, previous, target = (tokens[tokens != 1] for tokens in batch)
        states, logits = [], []
        for model in (student, teacher):
            encoded = model.encoder(source[None], src_lengths=torch.tensor([len(source)]), return_all_hiddens=True)
            scores, extra = model.decoder(previous[None], encoder_out=encoded)
            states.append([*encoded["encoder_states"], *extra["inner_states"]])
            logits.append(scores[0])
        for t in range(len(target)):
            q, p = (torch.softmax(scores[t] / temperature, 0) for scores in logits)
            total["kl"] += float(sum(p[v] * (p[v].log() - q[v].log()) for v in range(len(p))))
        for ours, theirs in zip(*states, strict=True):
            for x, y in zip(ours[:, 0], theirs[:, 0], strict=True):
                total["hidden"] += float((x - y).square().mean()) / len(states[0])
        for side, tokens in (("encoder", source), ("decoder", previous)):
            ours, theirs = (getattr(model, side).embed_tokens.weight for model in (student, teacher))
            for token in tokens:
                total["embedding"] += float((ours[token] - theirs[token]).square().mean()) / 2
    return total


@pytest.mark.parametrize("stage", ["start", "formal"])
def test_losses_are_the_papers(task, teacher, stage):
    student = build(task)[0].double()
    options = {"distil_alpha": 0.7, "distil_beta": 3.0, "distil_gamma": 0.2, "start_beta": 5.0, "start_gamma": 0.4}
    criterion = make_criterion(task, teacher, **options, start_updates=1, distil_temperature=2.0, label_smoothing=0.1)
    update, sample = int(stage == "formal"), make_samples(task)(0, 1, 2, 3)
    criterion._prepare(student).model.double()
    loss, sample_size, logged = task.train_step(sample, student, criterion, Optimizer(), update)
    with torch.no_grad():
        expected = sum_by_position(student, criterion._teacher.model, sample, 2.0)
        plain = LabelSmoothedCrossEntropyCriterion(task, False, 0.1)
        cross_entropy, _, plain_log = plain(student, sample)
    # fairseq computes log probabilities in single precision.
    near = {"rel": 1e-6}
    assert logged["embedding_loss"].item() == pytest.approx(expected["embedding"], **near)
    assert logged["hidden_loss"].item() == pytest.approx(expected["hidden"], **near)
    if stage == "start":
        total = 5.0 * expected["embedding"] + 0.4 * expected["hidden"]
        assert not {"kl_loss", "ce_loss", "nll_loss"} & set(logged)
    else:
        assert logged["kl_loss"].item() == pytest.approx(expected["kl"], **near)
        assert logged["ce_loss"].item() == pytest.approx(cross_entropy.item(), **near)
        assert logged["nll_loss"].item() == pytest.approx(plain_log["nll_loss"].item(), **near)
        total = 0.7 * expected["kl"] + 3.0 * expected["embedding"] + 0.2 * expected["hidden"] + cross_entropy.item()
    assert loss.item() == pytest.approx(total, **near)
    assert sample_size == sample["ntokens"] == sample["target"].ne(1).sum()


OPTIONS = {"start_updates": 2, "label_smoothing": 0.1, "distil_temperature": 2.0}


def build_student(task, tied):
    norms = {"encoder_normalize_before": True, "decoder_normalize_before": True}
    return build(task, share_decoder_input_output_embed=tied, **norms)[0]


def train_half(rank, folder):
    """Under DistributedDataParallel, on half of the batch: gradients and log of two steps of each stage."""
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    # Not made here: one process would read a dictionary that the other is writing.
    task = load_task(folder / "data")
    sample = make_samples(task)(*HALVES[rank])
    for tied in (True, False):
        # As fairseq wraps it, which cannot itself on a CPU: it always names a GPU.
        model = ModuleProxyWrapper(torch.nn.parallel.DistributedDataParallel(build_student(task, tied)))
        criterion = make_criterion(task, folder / "teacher.pt", **OPTIONS)
        steps = [derive(model, task, criterion, sample, update=update) for update in range(4)]
        torch.save(steps, folder / f"{rank}-{tied}.pt")
    # The faster process must not take its connection away while the other still works.
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def test_two_processes_have_the_gradient_and_the_log_of_one(tmp_path, task, teacher):
    """Of every parameter, also where a stage uses neither the output layer nor the last LayerNorm."""
    code = f"from pathlib import Path; from {__name__} import train_half; train_half({{}}, Path({str(tmp_path)!r}))"
    commands = [[make_environment() / "bin/python", "-c", code.format(rank)] for rank in (0, 1)]
    processes = [subprocess.Popen(command, env=make_environ()) for command in commands]
    assert [process.wait() for process in processes] == [0, 0]
    sample = make_samples(task)(*range(6))
    for tied in (True, False):
        student, criterion = build_student(task, tied), make_criterion(task, teacher, **OPTIONS)
        unused = ("decoder.layer_norm.weight", *(() if tied else ("decoder.output_projection.weight",)))
        halves = [torch.load(tmp_path / f"{rank}-{tied}.pt") for rank in (0, 1)]
        for update, *found in zip(range(4), *halves, strict=True):
            expected, (whole,) = derive(student, task, criterion, sample, update=update)
            assert all(expected[name].any() == (update >= 2) for name in unused)
            for gradients, _ in found:
                # DistributedDataParallel takes the mean, and fairseq multiplies by the number of processes.
                renamed = {name.removeprefix("module.module."): 2 * value for name, value in gradients.items()}
                torch.testing.assert_close(renamed, expected, rtol=1e-4, atol=1e-6)
            for name, value in whole.items():
                assert float(sum(log[name] for _, (log,) in found)) == pytest.approx(float(value), rel=1e-5)


def test_the_teacher_is_nobodys_parameter(task, teacher):
    student = build(task, dropout=0.5)[0]
    criterion, sample = make_criterion(task, teacher), make_samples(task)(0, 1)
    runs = []
    for _ in range(2):
        # The teacher is loaded in the first: the student's dropout must not notice, or a resumed run would differ.
        torch.manual_seed(7)
        runs.append(derive(student, task, criterion, sample)[0])
    assert all(value.equal(runs[1][name]) for name, value in runs[0].items())
    found = criterion._teacher.model
    expected = load_checkpoint(teacher)["model"]
    assert not list(criterion.parameters()) and not criterion.state_dict() and list(criterion.modules()) == [criterion]
    assert all(value.equal(expected[name]) for name, value in found.state_dict().items())
    criterion.train()
    assert not any(module.training for module in found.modules())
    assert not any(weight.requires_grad or weight.grad is not None for weight in found.parameters())


def test_half_precision(task, teacher):
    """Of the teacher, if asked for, or of the student as with --fp16: losses are computed in single."""
    sample, names = make_samples(task)(0, 1, 2), ("kl_loss", "embedding_loss", "hidden_loss", "ce_loss")
    runs = []
    for fp16, student in ((False, build(task)[0]), (True, build(task)[0]), (False, build(task)[0].half())):
        criterion = make_criterion(task, teacher, teacher_fp16=fp16)
        found, (logged,) = derive(student, task, criterion, sample)
        assert all(value.isfinite().all() for value in found.values())
        expected = torch.float16 if fp16 else torch.float32
        assert {weight.dtype for weight in criterion._teacher.model.parameters()} == {expected}
        assert all(logged[name].dtype == torch.float32 for name in names)
        runs.append([logged[name].item() for name in names])
    assert runs[1] == pytest.approx(runs[0], rel=2e-2) and runs[1] != runs[0]
    assert runs[2] == pytest.approx(runs[0], rel=2e-2) and runs[2] != runs[0]


def test_teachers_of_stock_fairseq_and_of_ours(tmp_path, task):
    """Dense, compressed, or exported: the teacher computes what the model did that was saved."""
    inputs = make_samples(task)(0, 1)["net_input"]
    for name, options in (
        ("transformer", {}),
        ("transformer", {"share_decoder_input_output_embed": False, "decoder_normalize_before": True}),
        ("see_transformer", {"see_method": "dense"}),
        ("see_transformer", {}),
    ):
        model = save_teacher(tmp_path / "teacher.pt", task, name, **options).eval()
        run = Teacher(tmp_path / "teacher.pt", task).forward(inputs)
        with torch.no_grad():
            torch.testing.assert_close(run.output[0], model(**inputs)[0])
        assert len(run.encoder) == len(run.decoder) == 3
        torch.testing.assert_close(run.embeddings, Teacher(tmp_path / "teacher.pt", task).look_up(inputs))
    assert main(["export", str(tmp_path / "teacher.pt"), "--bits", "16", "--output", str(tmp_path / "small")]) == 0
    found = Teacher(tmp_path / "small", task).forward(inputs).output[0]
    torch.testing.assert_close(found, run.output[0], rtol=0.02, atol=0.02)


def test_shared_matrices_are_seen_on_both_sides(tmp_path):
    task = make_task(tmp_path / "data")
    shutil.copy(tmp_path / "data/dict.zh.txt", tmp_path / "data/dict.en.txt")
    task = type(task).setup_task(task.cfg)
    save_teacher(tmp_path / "teacher.pt", task, share_all_embeddings=True)
    student, sample = build(task, share_all_embeddings=True)[0], make_samples(task)(0, 1)
    found = observe_forward(student, sample["net_input"]).embeddings
    for embeddings, tokens in zip(found, ("src_tokens", "prev_output_tokens"), strict=True):
        torch.testing.assert_close(embeddings, student.encoder.embed_tokens.table()[sample["net_input"][tokens]])
    derive(student, task, make_criterion(task, tmp_path / "teacher.pt"), sample)


def test_stages_follow_updates_and_epochs(task, teacher):
    student, sample = build(task)[0], make_samples(task)(0)

    def train_stage(criterion, update, epoch):
        task.begin_epoch(epoch, student)
        logged = task.train_step(sample, student, criterion, Optimizer(), update)[2]
        return "formal" if "ce_loss" in logged else "start"

    criterion = make_criterion(task, teacher, start_updates=5)
    assert [train_stage(criterion, update, 1) for update in (0, 4, 5, 6)] == ["start", "start", "formal", "formal"]
    criterion = make_criterion(task, teacher, start_epochs=None)
    assert [train_stage(criterion, 99, epoch) for epoch in (1, 2, 3)] == ["start", "start", "formal"]
    # By name, as fairseq's trainer calls it.
    keywords = {"sample": sample, "model": student, "criterion": criterion, "optimizer": Optimizer(), "update_num": 9}
    assert "ce_loss" in task.train_step(**keywords, ignore_grad=True)[2]


def test_the_students_matrix_is_built_once_a_step_and_not_at_all_in_the_start_stage(task, teacher, monkeypatch):
    student, sample = build(task, see_method="word2ketxs", see_ratio=2)[0], make_samples(task)(0, 1)
    criterion = make_criterion(task, teacher, start_updates=1)
    embedding, calls = student.decoder.embed_tokens, []
    table = embedding.table
    monkeypatch.setattr(embedding, "table", lambda: calls.append(1) or table())
    monkeypatch.setattr(student.encoder.embed_tokens, "table", lambda: pytest.fail("the encoder needs no matrix"))
    derive(student, task, criterion, sample, update=0)
    assert not calls
    derive(student, task, criterion, sample, update=1)
    assert len(calls) == 1


def test_validation_is_that_of_label_smoothed_cross_entropy(task, tmp_path):
    student, sample = build(task)[0], make_samples(task)(0, 1, 2)
    # There is no teacher at all.
    criterion = make_criterion(task, tmp_path / "none.pt", label_smoothing=0.1)
    loss, size, logged = task.valid_step(sample, student, criterion)
    expected = task.valid_step(sample, student, LabelSmoothedCrossEntropyCriterion(task, False, 0.1))
    assert size == expected[1] and logged.keys() == expected[2].keys()
    for name, value in {**logged, "loss": loss}.items():
        assert float(value) == pytest.approx(float(expected[2][name])), name


def test_what_is_logged(task, teacher):
    student, samples = build(task)[0], make_samples(task)
    criterion = make_criterion(task, teacher, start_updates=1, distil_alpha=0.5)
    assert criterion.logging_outputs_can_be_summed()
    for update in (0, 1):
        logs = derive(student, task, criterion, *(samples(*half) for half in HALVES), update=update)[1]
        with metrics.aggregate(new_root=True) as meters:
            criterion.reduce_metrics(logs)
        found = meters.get_smoothed_values()
        tokens = sum(log["ntokens"] for log in logs)
        bits = 0.6931471805599453 * tokens
        units = {"loss": bits, "embedding_loss": tokens, "hidden_loss": tokens}
        units |= {"ce_loss": bits, "kl_loss": bits, "nll_loss": bits} if update else {}
        assert set(found) == {*units, *(["ppl"] if update else [])}
        for name, unit in units.items():
            assert found[name] == pytest.approx(float(sum(log[name] for log in logs)) / unit, abs=6e-4)


def test_a_cache_of_all_outputs_changes_nothing(tmp_path, task, teacher, monkeypatch):
    student, sample = build(task)[0], make_samples(task)(0, 1, 2)
    options = {"distil_gamma": 0.0, "distil_temperature": 2.0, "start_updates": 1}
    plain = make_criterion(task, teacher, **options)
    cached = [
        make_criterion(task, teacher, teacher_cache=str(tmp_path / "kept"), teacher_top_k=99, **options)
        for _ in range(3)
    ]
    expected = derive(student, task, plain, sample, update=1)
    first = derive(student, task, cached[0], sample, update=1)
    assert first[1][0]["kl_loss"].item() == pytest.approx(expected[1][0]["kl_loss"].item(), rel=1e-3)
    for name, value in expected[0].items():
        torch.testing.assert_close(first[0][name], value, rtol=1e-3, atol=1e-3)
    # Validating writes them; another run needs the teacher's embeddings alone.
    assert not (tmp_path / "kept").exists()
    cached[0].eval()
    monkeypatch.setattr(Teacher, "forward", lambda *args, **options: pytest.fail("the teacher was run"))
    again = derive(student, task, cached[1], sample, update=1)
    assert all(value.equal(again[0][name]) for name, value in first[0].items())
    # What depends on it is refused: another teacher, other data under the same numbers.
    save_teacher(teacher, task, seed=8)
    with pytest.raises(SystemExit, match=r"error: .* holds outputs of another teacher"):
        derive(student, task, cached[2], sample, update=1)
    with pytest.raises(SystemExit, match=r"error: .* holds a teacher's outputs for other data"):
        derive(student, task, cached[1], make_samples(task, seed=6)(0, 1, 2), update=1)


def test_fewer_outputs_are_kept_if_asked(tmp_path, task, teacher):
    student, sample = build(task)[0], make_samples(task)(0, 1, 2)

    def compute_kl(k):
        options = {"distil_gamma": 0.0, "teacher_cache": str(tmp_path / str(k)), "teacher_top_k": k}
        return derive(student, task, make_criterion(task, teacher, **options), sample)[1][0]["kl_loss"].item()

    run = Teacher(teacher, task).forward(sample["net_input"])
    real = sample["target"].ne(1)
    with torch.no_grad():
        scores = student(**sample["net_input"])[0][real].log_softmax(-1)
    # Of the largest alone: minus the log of the student's probability of it.
    assert compute_kl(1) == pytest.approx(-scores.gather(1, run.output[0][real].argmax(1, True)).sum().item(), rel=1e-4)
    assert compute_kl(1) > compute_kl(5) > compute_kl(60)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"distil_alpha": -1.0}, "weight of the kl loss in the formal stage"),
        ({"start_updates": 3, "start_epochs": 1}, "either --start-updates or --start-epochs"),
        ({"distil_temperature": 0.0}, "--distil-temperature must be a number above 0"),
        ({"distil_layers": "middle"}, "--distil-layers 'middle'"),
        ({"teacher_cache": "x"}, "give --distil-gamma 0"),
        ({"teacher_top_k": 0}, "--teacher-top-k must be at least 1"),
        ({"teacher": ""}, "give --teacher"),
    ],
)
def test_impossible_options_end_in_one_line(task, options, message):
    with pytest.raises(SystemExit, match=rf"^error: [^\n]*{message}[^\n]*$"):
        make_criterion(task, **{"teacher": "teacher.pt", **options})


def reverse(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[::-1]))


def rename_architecture(path):
    state = torch.load(path)
    state["cfg"]["model"]["_name"] = "my_transformer"
    torch.save(state, path)


@pytest.mark.parametrize(
    ("options", "damage", "message"),
    [
        ({}, lambda path: path.unlink(), "cannot read .*teacher.pt: No such file"),
        ({}, lambda path: path.write_bytes(path.read_bytes()[:-100]), "is not a whole checkpoint"),
        ({"name": "lstm"}, None, "is not fairseq's Transformer"),
        ({}, rename_architecture, "architecture 'my_transformer', which neither"),
        (
            {"words": {**WORDS, "en": 57}},
            None,
            "dict.en.txt .61 symbols. is another dictionary than the student's .60.",
        ),
        ({}, lambda path: reverse(path.parent / "dict.en.txt"), "dict.en.txt .* is another dictionary"),
        ({"langs": ("en", "zh")}, None, "has the source language en, not zh"),
        ({}, lambda path: (path.parent / "dict.en.txt").unlink(), "give the folder with the dictionaries .* as --teac"),
        ({"encoder_layers": 3}, None, "teacher's encoder has 3 layers, the student's 2; name those to compare"),
        (
            {"encoder_embed_dim": 24, "decoder_embed_dim": 24},
            None,
            "have 24 dimensions in the teacher and 16 in the student; .* set --distil-beta and --start-beta to 0",
        ),
    ],
)
def test_other_teachers_end_in_one_line(tmp_path, task, options, damage, message):
    path, made = tmp_path / "other/teacher.pt", {key: options[key] for key in ("words", "langs") if key in options}
    save_teacher(path, make_task(path.parent, **made), **{key: options[key] for key in options.keys() - made.keys()})
    if damage:
        damage(path)
    make_criterion(task, path)
    # Before the first batch is fetched.
    with pytest.raises(SystemExit, match=f"^error: [^\n]*{message}[^\n]*$"):
        task.begin_epoch(1, build(task)[0])


def test_teachers_of_another_shape_by_choice(tmp_path, task):
    """A deeper one if layers are named, a wider one if nothing is compared that depends on width."""
    student, sample = build(task)[0], make_samples(task)(0)
    save_teacher(tmp_path / "deep.pt", task, encoder_layers=4)
    derive(student, task, make_criterion(task, tmp_path / "deep.pt", distil_layers="0,1:2,2:4/last"), sample)
    save_teacher(tmp_path / "wide.pt", task, encoder_embed_dim=24, decoder_embed_dim=24)
    derive(student, task, make_criterion(task, tmp_path / "wide.pt", distil_beta=0.0, distil_gamma=0.0), sample)


def test_the_dictionaries_may_lie_elsewhere(tmp_path, task):
    save_teacher(tmp_path / "run/checkpoints/teacher.pt", make_task(tmp_path / "old"))
    for file in (tmp_path / "old").iterdir():
        file.rename(tmp_path / "run" / file.name)
    Teacher(tmp_path / "run/checkpoints/teacher.pt", task)
    for file in (tmp_path / "run").glob("dict.*"):
        file.rename(tmp_path / "old" / file.name)
    Teacher(tmp_path / "run/checkpoints/teacher.pt", task, str(tmp_path / "old"))


def test_students_that_cannot_be_compared_are_refused(task, teacher):
    sample = make_samples(task)(0)
    student = build(task, "lstm")[0]
    with pytest.raises(SystemExit, match="error: the student is not fairseq's Transformer"):
        derive(student, task, make_criterion(task, teacher), sample)
    dropping = build(task, encoder_layerdrop=0.5)[0]
    with pytest.raises(SystemExit, match="error: LayerDrop leaves out layers"):
        derive(dropping, task, make_criterion(task, teacher), sample)
