"""What `recordings.py` needs, under the names of this tree."""

import numpy as np

from eigenscape.diagnosis import (
    GrowPlan,
    MDTree,
    MeasureOptions,
    cv_score,
    diagnose,
    evaluate,
    measure,
    read_population,
    train_population,
)
from eigenscape.landscape import CurveOptions
from eigenscape.models import Objective, Recipe, Task, build
from eigenscape.zoo import GPTClassifier, train
from eigenscape.zoo._classifiers import SmallCNN  # noqa: F401 - a name of recordings
from eigenscape_studies.laboratory import LabOptions, run_experiment
from eigenscape_studies.networks import (
    FNO1d,
    Grammar,
    burgers,
    convection,
    fine_tune,
    labelled_sentences,
    language,
    pretrain,
    relative_error,
    train_operator,
    train_pinn,
)

RENAMED: dict[str, str] = {}  # columns


def objective(model, loss, batch, **options):
    return Objective(model, loss, batch, **options)


def spectrum(layer):
    return layer.eigenvalues


def topology_numbers(result):
    return vars(result)


def hessian_options(told):
    names = {"k": "n_eigenvalues", "trace_samples": "trace_probes"}
    return {names.get(name, name): value for name, value in told.items()}


def curve_options(**told):
    return {"options": CurveOptions(**told)}


def hessian_trace(result):
    return result.hessian_trace, result.trace_stderr


def trained(model, inputs, labels, **recipe):
    """Train in place; the losses of the epochs."""
    return train(model, inputs, labels, **recipe).losses


def pinn(**told):
    model, log = train_pinn(convection(5.0, n_collocation=100), **told)
    return model, log.losses


def operator(**recipe):
    data = burgers(train_count=24, test_count=8)
    model = build(lambda: FNO1d(width=8, modes=6, depth=2, hidden=16), 0)
    log = train_operator(model, data.train_inputs, data.train_targets, **recipe)
    return model, log.losses, relative_error(model, data.test_inputs, data.test_targets)


def language_models(make, grammar, pretraining, tuning):
    """Pretrain a small GPT, then fine-tune a classifier: both models, both losses."""
    grammar = Grammar(**grammar)
    gpt = build(lambda: make(grammar.vocabulary), 0)
    first = pretrain(gpt, language(96, length=12, grammar=grammar), **pretraining)
    split = labelled_sentences(32, 8, length=12, grammar=grammar)
    classifier = GPTClassifier.of(gpt, grammar.dialects)
    second = fine_tune(classifier, split.train_inputs, split.train_labels, **tuning)
    return gpt, classifier, first.losses, second.losses


def population(make, split, widths, data, rates, measuring, **recipe):
    """Grow a small population: its table."""
    usual = {"epochs": 80, "batch_size": 64, "learning_rate": 0.1, "schedule": "constant"}
    task = Task(
        make=make,
        train=(split.train_inputs, split.train_labels),
        test=(split.test_inputs, split.test_labels),
        widths=widths,
        recipe=Recipe(**usual | recipe),
    )
    plan = GrowPlan.of(task, data=data, rates=rates, measuring=MeasureOptions(**measuring))
    return train_population(task, plan, engine="threads", jobs=1).frame()


def measured(networks, batch, options):
    found = measure(networks, batch, options=MeasureOptions(**options))
    return {**found.metrics, "trace_error": found.trace_error, "curve": found.curve}


def md_tree(folder):
    """Fit, evaluate and diagnose on the published population, by both searches."""
    clean, noisy = (
        read_population(folder / f"dataframe_{name}_public.csv") for name in ("normal", "noise")
    )
    found = {}
    for search in ("exact", "paper"):
        tree = MDTree.fit(clean, search=search)
        told = evaluate(clean, noisy, search=search, cells=8, baselines=("validation",))
        found[f"{search}.train_accuracy"] = tree.train_accuracy
        found[f"{search}.accuracy"] = told.accuracy, told.balanced_accuracy, told.zero_shot
        found[f"{search}.seeds"] = [row["accuracy"] for row in told.per_seed]
    model = {"train_error": 4.0, "mode_connectivity_peak": -6.0, "hessian_t": 4.5}
    one = diagnose(tree, model, protocol=clean.protocol)
    found["gain"] = one.gain if one.gain is not None else np.nan
    found["verdict"] = str(one.verdict)
    trust = cv_score(clean, "temperature")
    found["trust"] = trust.accuracy, trust.majority
    return found


def laboratory():
    options = LabOptions(n=120, d=40, h=60, n_test=60, steps=4)
    result = run_experiment(options)
    table = result.frame().select_dtypes("number")
    found = {column: table[column].to_numpy() for column in table.columns}
    return {**found, **{f"eigenvalues.{step}": values for step, values in result.spectra.items()}}
