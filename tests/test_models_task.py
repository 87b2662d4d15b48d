"""Tasks, and the loader of a user's own functions."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from eigenscape.errors import InputError
from eigenscape.models import Callback, Objective, Recipe, Task, load_objective, load_probe

EYE = torch.eye(6)
LABELS = torch.arange(6) % 3
RECIPE = Recipe(epochs=3, batch_size=4, learning_rate=0.1)


def linear():
    return nn.Linear(6, 3)


def test_a_task_is_trained_by_its_recipe():
    told = []

    class Told(Callback):
        def on_epoch(self, fit):
            told.append(fit.epoch)

    task = Task(linear, (EYE, LABELS), (EYE, LABELS), RECIPE)
    first, again, other = (task.fit(seed, callbacks=[Told()]) for seed in (1, 1, 2))
    assert told == [1, 2, 3] * 3
    assert first.step == 6
    assert torch.equal(first.parameters, again.parameters)
    assert not torch.equal(first.parameters, other.parameters)
    assert torch.equal(task.build(1).weight, task.build(1).weight)


def test_a_task_takes_batches_as_they_are_cut():
    batches = [(EYE[:3], LABELS[:3]), (EYE[3:], LABELS[3:])]
    task = Task(linear, batches, batches, RECIPE)
    assert task.train.batches == 2
    assert task.fit().step == 6


def test_the_fingerprint_sees_data_recipe_and_weights():
    task = Task(linear, (EYE, LABELS), (EYE, LABELS), RECIPE)
    again = Task(linear, (EYE.clone(), LABELS), (EYE, LABELS), RECIPE)
    others = (
        replace(task, train=(EYE + 1, LABELS)),
        replace(task, test=(EYE, LABELS.flip(0))),
        replace(task, recipe=replace(RECIPE, epochs=4)),
        replace(task, make=lambda: nn.Linear(6, 4)),
        replace(task, make=lambda width: nn.Linear(6, width), widths=(3,)),
    )
    assert again.fingerprint == task.fingerprint
    assert len({task.fingerprint, *(other.fingerprint for other in others)}) == 6


def test_make_must_return_a_module_that_is_the_same_again():
    task = Task(lambda: 3, (EYE, LABELS), (EYE, LABELS), RECIPE)
    with pytest.raises(InputError, match=r"make\(\) returned a int; expected a module"):
        task.build()
    drawn = iter(range(10))

    def counting():
        model = linear()
        nn.init.constant_(model.weight, next(drawn))
        return model

    with pytest.raises(InputError, match=r"make\(\) returns other weights.*Try: draw weights"):
        _ = replace(task, make=counting).fingerprint


PROBE = """
import random
import numpy
import torch
from torch import nn
from eigenscape.models import Objective, Recipe, Task

print("the file runs")
X, y = torch.eye(6), torch.arange(6) % 3


def task():
    print("the function runs")
    return Task(lambda: nn.Linear(6, 3), (X, y), (X, y),
                Recipe(epochs=1, batch_size=6, learning_rate=0.1))


def draws():
    return random.random(), numpy.random.rand(), torch.rand(1).item()


def objective():
    return Objective(nn.Linear(6, 3), nn.functional.cross_entropy, (X, y))


def models():
    return [nn.Linear(6, 3), nn.Linear(6, 3)], nn.functional.cross_entropy, [(X, y)]


def broken():
    raise ValueError("on purpose")


def leaves():
    raise SystemExit("no")


value = 3
"""


@pytest.fixture
def probe(tmp_path):
    path = tmp_path / "own.py"
    path.write_text(PROBE)
    return path


def test_what_a_file_prints_goes_to_standard_error(probe, capsys):
    found = load_probe(f"{probe}:task", expected=Task)
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == ["the file runs", "the function runs"]
    assert found.source == f"{probe}:task"


def test_draws_start_from_the_seed_and_leave_the_global_state(probe):
    state = torch.get_rng_state()
    first, again, other = (load_probe(f"{probe}:draws", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(state, torch.get_rng_state())
    assert first == again
    assert not set(first) & set(other)


def test_a_task_travels_by_its_file_and_is_made_once(probe, capsys):
    found = load_probe(f"{probe}:task")
    sent = pickle.dumps(found)
    capsys.readouterr()
    first, second = pickle.loads(sent), pickle.loads(sent)
    assert first is second
    assert first.fingerprint == found.fingerprint
    assert capsys.readouterr().err.count("the function runs") == 1
    probe.write_text(PROBE.replace("learning_rate=0.1", "learning_rate=0.2"))
    with pytest.raises(InputError, match="gives another task when it is run again"):
        pickle.loads(sent)


def test_objectives_come_as_they_are_or_from_their_parts(probe):
    objective, models = load_objective(f"{probe}:objective")
    assert isinstance(objective, Objective)
    assert models == [objective.model]
    objective, models = load_objective(f"{probe}:models", device="cpu")
    assert len(models) == 2
    assert objective.data.count == 6


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("absent", {}, "own.py has no function 'absent'; its functions: task, draws, objective"),
        ("value", {}, "no function 'value'"),
        ("broken", {}, r"broken\(\) of own.py failed, line \d+ .*with ValueError: on purpose"),
        ("leaves", {"option": "diagnose"}, "diagnose: leaves.*SystemExit"),
        ("draws", {"expected": Task}, r"draws\(\) returned a tuple; expected an eigenscape.models"),
        ("draws", {"expected": (Task, Objective)}, r"models.Task or eigenscape.models.Objective"),
    ],
)
def test_what_went_wrong_is_said_in_a_sentence(probe, name, options, message):
    with pytest.raises(InputError, match=message):
        load_probe(f"{probe}:{name}", **options)


def test_references_and_objectives_of_another_form_are_refused(probe):
    for text, message in (("own.py", "FILE.py:FUNCTION"), ("none.py:task", "no file none.py")):
        with pytest.raises(InputError, match=message):
            load_probe(text)
    with pytest.raises(InputError, match=r"task\(\) returned a Task; expected .*Objective"):
        load_objective(f"{probe}:task")
    with pytest.raises(InputError, match="--device nowhere cannot be used"):
        load_objective(f"{probe}:models", device="nowhere")


def test_the_folder_of_the_file_can_be_imported_from(tmp_path):
    (tmp_path / "beside_it.py").write_text("answer = 42\n")
    (tmp_path / "main.py").write_text("import beside_it\n\ndef f():\n    return beside_it.answer\n")
    kept = list(sys.path)
    assert load_probe(f"{tmp_path / 'main.py'}:f") == 42
    sys.path[:] = kept
