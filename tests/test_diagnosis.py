"""The MD tree's room: labels, searches, trees, gains, refusals, on populations made here."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eigenscape.diagnosis import (
    Diagnosis,
    EvaluationResult,
    MDTree,
    Population,
    actions_of,
    check_health,
    cv_score,
    diagnose,
    evaluate,
    get_shape,
    prescribe,
    read_population,
    sample_cells,
    scores,
    step_gains,
)
from eigenscape.diagnosis._diagnosis import NO_FAILURE
from eigenscape.diagnosis._labels import ACTIONS, ANSWERS, step_ratios
from eigenscape.diagnosis._metrics import COLUMNS
from eigenscape.diagnosis._moves import Moves
from eigenscape.diagnosis._route import correct, find_leaves
from eigenscape.diagnosis._search import exact_search, paper_search
from eigenscape.diagnosis._shapes import SHAPES
from eigenscape.errors import InputError
from eigenscape.results import load
from tests._properties import examples

WIDTHS, AMOUNTS, SIZES = (4, 8, 16), (1, 2), (16, 32, 64, 128, 256)


def small_table(seed=0):
    """A made-up grid: the best batch size is 64; smaller ones are hot, larger ones are cold."""
    rng = np.random.default_rng(seed)
    rows = []
    for width, data, bs in itertools.product(WIDTHS, AMOUNTS, SIZES):
        heat = np.log2(64 / bs)
        error = max(0.0, 2 * heat + 3 + rng.normal(0, 0.2) - width / 8) if heat > -1 else 0.0
        rows.append(
            {
                "width": width,
                "data": data,
                "bs": bs,
                "test_acc": 80 - 2 * heat**2 + width / 4 + data + rng.normal(0, 0.1),
                "train_error": error,
                "train_loss": error / 20,
                "test_loss": 1.0 + abs(heat) / 10,
                "test_error": 20 + heat**2,
                "mode_connectivity_peak": -max(0.1, 12 - 5 * heat),
                "mode_connectivity": -max(0.0, 8 - 5 * heat),
                "hessian_t": 6 - heat,
                "CKA": 0.5,
            }
        )
    return pd.DataFrame(rows)


@pytest.fixture(scope="module")
def population():
    return Population.from_frame(small_table(), name="small", protocol={"classes": 10, "curve": 3})


# labels -------------------------------------------------------------------------------------------


def brute_room(table):
    found = {name: [] for name in ("rfi_inc_temp", "rfi_dec_temp", "rfi_width", "rfi_data")}
    for _, row in table.iterrows():

        def best(keep, row=row):
            return table["test_acc"][keep].max() - row["test_acc"]

        cell = (table["width"] == row["width"]) & (table["data"] == row["data"])
        found["rfi_inc_temp"].append(best(cell & (table["bs"] <= row["bs"])))
        found["rfi_dec_temp"].append(best(cell & (table["bs"] >= row["bs"])))
        line = (table["data"] == row["data"]) & (table["bs"] == row["bs"])
        found["rfi_width"].append(best(line & (table["width"] >= row["width"])))
        line = (table["width"] == row["width"]) & (table["bs"] == row["bs"])
        found["rfi_data"].append(best(line & (table["data"] >= row["data"])))
    return found


def test_room_for_improvement_is_that_of_its_definition():
    table = small_table().sample(frac=0.8, random_state=1)  # with holes in the grid
    found = Population.from_frame(table).table
    for name, expected in brute_room(table).items():
        assert found[name].tolist() == expected


def test_labels_follow_the_room(population):
    table = population.frame()
    assert (table["label_temperature"][table["bs"] < 64] == "large").all()
    assert (table["label_temperature"][table["bs"] > 64] == "small").all()
    assert (table["label_temperature"] == "optimal").sum() == len(WIDTHS) * len(AMOUNTS)
    assert set(table["label_width"]) <= {*ANSWERS["width"], "optimal"}
    widest = table["width"] == max(WIDTHS)
    assert (table["rfi_width"][widest] == 0).all()


def test_learning_rate_and_batch_size_are_one_temperature():
    table = small_table()
    rates = table.drop(columns="bs").assign(lr=1.0 / table["bs"])
    both = table.assign(lr=0.3)
    for question in ANSWERS:
        first = Population.from_frame(table).labels(question)
        assert (Population.from_frame(rates).labels(question) == first).all()
        assert (Population.from_frame(both).labels(question) == first).all()


def test_selected_configurations_keep_the_labels_of_the_whole(population):
    mask = population.table["width"].to_numpy() == 4
    assert (population.select(mask).labels("width") == population.labels("width")[mask]).all()


# searches -----------------------------------------------------------------------------------------


def random_rows(shape, n, seed, levels=None):
    rng = np.random.default_rng(seed)
    low, high = np.array(shape.box).T
    values = rng.uniform(low - 0.3 * (high - low), high + 0.3 * (high - low), (n, len(low)))
    if levels:
        values = np.round(values * levels) / levels  # many ties, some on the box's own edges
    for i, j in itertools.combinations(range(len(shape.features)), 2):
        if shape.features[i] == shape.features[j]:
            values[:, j] = values[:, i]
    return values, rng.choice(ANSWERS[shape.question], n)


@pytest.mark.parametrize("key", list(SHAPES))
@given(n=st.integers(2, 24), seed=st.integers(0, 10**6), levels=st.sampled_from([None, 1, 2]))
@examples(25)
def test_exact_search_is_never_below_any_thresholds(key, n, seed, levels):
    shape = SHAPES[key]
    values, labels = random_rows(shape, n, seed, levels)
    found = exact_search(shape, values, labels)
    best = correct(shape, found, values, labels)
    assert all(low <= t <= high for t, (low, high) in zip(found, shape.box, strict=True))
    assert best >= correct(shape, paper_search(shape, values, labels), values, labels)
    low, high = np.array(shape.box).T
    rng = np.random.default_rng(seed)
    tried = [*rng.uniform(low, high, (40, len(low))), low, high, shape.centre]
    assert best >= max(correct(shape, thresholds, values, labels) for thresholds in tried)


@given(n=st.integers(2, 9), seed=st.integers(0, 10**6))
@examples(15)
def test_exact_search_finds_the_best_of_all_partitions(n, seed):
    shape = get_shape("temperature")
    values, labels = random_rows(shape, n, seed, levels=1)
    ticks = [
        sorted({low, high, *(v for v in values[:, i] if low <= v <= high)})
        for i, (low, high) in enumerate(shape.box)
    ]
    best = max(correct(shape, t, values, labels) for t in itertools.product(*ticks))
    assert correct(shape, exact_search(shape, values, labels), values, labels) == best


def grid_median(values, weights):
    """The median of a density that is known on an even grid."""
    sums = np.cumsum(weights)
    return values[np.searchsorted(sums, sums[-1] / 2)]


@pytest.mark.parametrize("seed", range(4))
def test_the_width_trees_thresholds_are_medians_of_the_optimal_volume(seed):
    """Each threshold, from the root down, by brute force over a grid of its box."""
    shape = get_shape("width")
    rng = np.random.default_rng(seed)
    count, steps = 12, 601
    error, peak = rng.uniform(-0.2, 1.3, count), rng.uniform(-33, 3, count)
    labels = rng.choice(["width", "temperature"], count)
    values = np.stack([error, peak, peak], axis=1)
    roots, peaks = (np.linspace(*shape.box[i], steps) for i in (0, 1))

    def right(rows):  # (steps,): right answers of a stump on the peak, low ones are "width"
        low = peak[None, :] <= peaks[:, None]
        answers = np.where(low, "width", "temperature")
        return ((answers == labels) & rows[None, :]).sum(axis=1)

    best, volume = np.zeros(steps), np.zeros(steps)
    for i, root in enumerate(roots):
        sides = [right(error <= root), right(error > root)]
        best[i] = sum(side.max() for side in sides)
        volume[i] = np.prod([(side == side.max()).mean() for side in sides])
    expected = [grid_median(roots, np.where(best == best.max(), volume, 0.0))]
    for rows in (error <= expected[0], error > expected[0]):
        side = right(rows)
        expected.append(grid_median(peaks, (side == side.max()).astype(float)))
    found = exact_search(shape, values, labels)
    spans = [high - low for low, high in shape.box]
    for one, other, span in zip(found, expected, spans, strict=True):
        assert abs(one - other) <= 3 * span / (steps - 1)


def test_a_plateau_ends_in_its_middle():
    shape = get_shape("temperature", "one-checkpoint")
    values = np.array([[0.2, 4.2], [0.8, 4.5], [0.9, 8.5]])
    labels = np.array(["small", "large", "small"])
    # error in [0.2, 0.8), trace in [4.5, 8.5): the middles of both
    assert exact_search(shape, values, labels) == pytest.approx((0.5, 6.5))


@given(seed=st.integers(0, 10**6))
@examples(20)
def test_order_of_rows_does_not_matter(seed):
    shape = get_shape("data")
    values, labels = random_rows(shape, 30, seed)
    order = np.random.default_rng(seed).permutation(30)
    for search in (exact_search, paper_search):
        first = search(shape, values, labels)
        assert search(shape, values[order], labels[order]) == pytest.approx(first, rel=1e-12)


@pytest.mark.parametrize("key", list(SHAPES))
def test_many_at_once_and_one_by_one_agree(key):
    shape = SHAPES[key]
    values, _ = random_rows(shape, 200, 3, levels=2)
    tree = MDTree.zero_shot(*key)
    table = pd.DataFrame(dict(zip(shape.features, values.T, strict=True)))
    table = table.loc[:, ~table.columns.duplicated()]
    answers = tree.predict(table)
    for i, row in enumerate(table.to_dict("records")):
        assert tree.predict_one(row) == answers[i]
        for step in tree.decision_path(row):
            assert step.below == (row[step.feature] <= step.threshold)
    assert set(find_leaves(shape, shape.centre, values)) <= set(range(len(shape.leaves)))


# the fitted tree ----------------------------------------------------------------------------------


def test_fit_finds_the_made_up_rule(population):
    tree = MDTree.fit(population)
    assert tree.search == "exact"
    assert tree.train_accuracy > 90
    assert sum(leaf.size for leaf in tree.leaves) == len(population)
    labels = population.labels("temperature")
    clear = labels != "optimal"
    score = scores(tree.predict(population)[clear], labels[clear])
    assert score["accuracy"] == pytest.approx(tree.train_accuracy)


def moved(table, i, action, ratio):
    """The change of accuracy when one configuration's knob is multiplied, by brute force."""
    _, knob, direction = ACTIONS[action]
    row = table.iloc[i]
    others = [name for name in ("width", "data", "temperature") if name != knob]
    line = table[(table[others] == row[others]).all(axis=1)]
    ahead = line[direction * line[knob] > direction * row[knob]]
    if not len(ahead):
        return np.nan
    away = (np.log(ahead[knob]) - np.log(row[knob] * ratio)).abs()
    return ahead.loc[away.idxmin(), "test_acc"] - row["test_acc"]


@pytest.mark.parametrize(
    ("action", "ratio"),
    [
        ("raise temperature", 2.0),
        ("raise temperature", 3.1),
        ("lower temperature", 0.3),
        ("lower temperature", 0.01),
        ("widen", 2.0),
        ("widen", 100.0),
        ("add data", 2.0),
    ],
)
def test_following_an_advice_is_a_move_in_the_grid(population, action, ratio):
    found = Moves(population.table, action).gains(ratio)
    expected = [moved(population.table, i, action, ratio) for i in range(len(population))]
    np.testing.assert_allclose(found, expected)
    assert (found < 0).any() or action in ("widen", "add data")
    assert np.isnan(found).any()
    assert (Moves(population.table, action).gains(1.0) == 0).all()


def test_leaves_hold_what_following_their_one_factor_gained(population):
    tree = MDTree.fit(population)
    leaf_of = tree.leaf_of(population)
    for i, leaf in enumerate(tree.leaves):
        rows = np.flatnonzero(leaf_of == i)
        for action, ratio in leaf.ratios.items():
            if ratio == 1:
                continue
            gained = [moved(population.table, row, action, ratio) for row in rows]
            assert leaf.gains[action] == pytest.approx(np.nanmean(gained))
            tried = set(step_ratios(population.table)[action][rows]) - {1.0}
            means = [
                np.nanmean([moved(population.table, r, action, t) for r in rows]) for t in tried
            ]
            assert leaf.gains[action] == pytest.approx(max(means))


@pytest.mark.parametrize("question", list(ANSWERS))
def test_files_are_exact(population, question, tmp_path):
    back = Population.load(population.save(tmp_path / "population.json"))
    pd.testing.assert_frame_equal(back.table, population.table, check_exact=True)
    assert back.protocol == population.protocol
    tree = MDTree.fit(back, question=question)
    assert tree.thresholds == MDTree.fit(population, question=question).thresholds
    again = load(tree.save(tmp_path / "tree.json"))
    assert isinstance(again, MDTree)
    assert again.thresholds == tree.thresholds
    assert (again.predict(population) == tree.predict(population)).all()
    assert again.to_dict() == tree.to_dict()


def test_csv_and_frame_are_the_same_population(population, tmp_path):
    path = tmp_path / "table.csv"
    table = small_table()
    table = table[table.columns[::-1]]
    table.assign(remark="made up").to_csv(path, index=False)
    back = read_population(path)
    assert back.name == "table"
    assert back.protocol == {}
    shared = population.table.columns
    pd.testing.assert_frame_equal(back.table[shared], population.table, check_exact=True)


HOT = {
    "train_error": 5.0,
    "mode_connectivity_peak": -3.0,
    "hessian_t": 4.2,
    "CKA": 0.5,
    "mode_connectivity": -1.0,
}


def test_explanation(population):
    tree = MDTree.fit(population)
    score = cv_score(population)
    found = diagnose(tree, HOT, score=score, protocol={"classes": 10, "curve": 3})
    assert found.verdict == "large"
    assert found.abstained == ()
    assert found.action == "lower temperature"
    assert found.gain == pytest.approx(found.leaf.gains["lower temperature"])
    text = " ".join(found.sentences)
    assert "the temperature is too large" in text
    assert f"above {tree.thresholds[0]:.4g} %" in text
    assert f"by {found.gain:+.2f} points" in text
    assert found.precision.words() in found.sentences[0]
    assert len(found.frame()) == len(found.path) == 2
    with pytest.raises(InputError, match="the score is of the question 'width'"):
        diagnose(tree, HOT, score=cv_score(population, "width"))


def test_nothing_to_gain_is_no_failure(population, tmp_path):
    tree = MDTree.fit(population)
    found = diagnose(tree, HOT, score=cv_score(population, noise=50.0))
    assert found.verdict == NO_FAILURE
    assert found.action is None
    assert found.precision.right == found.precision.given == len(population)
    assert "below the seed noise of 50.00 points" in " ".join(found.sentences)
    again = Diagnosis.load(found.save(tmp_path / "diagnosis.json"))
    assert again.to_dict() == found.to_dict()
    own = Population.from_frame(small_table().assign(test_acc_sd=40.0))
    assert diagnose(MDTree.fit(own), HOT, score=cv_score(own)).verdict == NO_FAILURE


def test_thresholds_without_a_population_say_so():
    found = diagnose(MDTree.zero_shot(), HOT)
    assert [why.kind for why in found.abstained] == ["untested"]
    assert "These thresholds have no population" in found.sentences[0]
    with pytest.raises(InputError, match="no gains to draw"):
        found.plot()


def test_another_protocol_is_refused(population):
    tree = MDTree.fit(population)
    other = {"classes": 10, "curve": 5}
    with pytest.raises(InputError, match="curve: 3 there, 5 here"):
        diagnose(tree, HOT, protocol=other)
    with pytest.warns(UserWarning, match="thresholds do not carry over"):
        found = diagnose(tree, HOT, score=cv_score(population), protocol=other, on_mismatch="warn")
    assert found.verdict == "large"
    with pytest.raises(InputError, match="on_mismatch is 'ignore'"):
        diagnose(tree, HOT, on_mismatch="ignore")
    with pytest.raises(InputError, match="measured in another way"):
        evaluate(population, replace(population, protocol={"curve": 7}))


# gains, sampling, evaluation ----------------------------------------------------------------------


@given(seed=st.integers(0, 10**6))
@examples(15)
def test_no_action_gains_more_than_the_best_one(seed):
    population = Population.from_frame(small_table(seed % 7))
    rng = np.random.default_rng(seed)
    drawn = np.array(["raise temperature", "lower temperature", "widen", "add data", "none"])
    gains = step_gains(population, rng.choice(drawn, len(population)))
    room = population.table[["rfi_inc_temp", "rfi_dec_temp", "rfi_width", "rfi_data"]].max(axis=1)
    assert (gains >= 0).all(axis=None)
    assert (gains["best"] <= room + 1e-12 * room.max()).all()
    assert (gains["notch"] <= gains["best"]).all()
    assert (gains["random"] <= gains["best"]).all()


def test_the_best_step_is_the_room(population):
    labels = population.labels("temperature")
    gains = step_gains(population, actions_of(labels))["best"]
    room = population.table[["rfi_inc_temp", "rfi_dec_temp"]].max(axis=1)
    assert gains[labels != "optimal"].tolist() == pytest.approx(
        room[labels != "optimal"].tolist(), abs=1e-12
    )


def test_cells_hold_everything_that_is_in_question(population):
    for question, size in (("temperature", 5), ("width", 15), ("data", 10)):
        mask = sample_cells(population, question, 1, 42)
        assert mask.sum() == size
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    first = sample_cells(population, "temperature", 3, 42)
    assert (first == sample_cells(population, "temperature", 3, 42)).all()
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


def test_evaluation_survives_a_file(population, tmp_path):
    result = evaluate(
        population,
        population,
        cells=4,
        seeds=(1, 2, 3),
        baselines=("validation", "hyperparameters", "temperature (cheats)"),
    )
    assert result.n_test == 24
    assert result.majority == 50.0
    assert [row["seed"] for row in result.per_seed] == [1, 2, 3]
    back = EvaluationResult.load(result.save(tmp_path / "evaluation.json"))
    assert back.to_dict() == result.to_dict()
    data = json.loads((tmp_path / "evaluation.json").read_text())
    assert {"accuracy", "balanced_accuracy", "majority", "zero_shot", "thresholds", "per_seed"} <= (
        data.keys()
    )
    assert result.frame()["method"].tolist()[-3:] == [
        "zero-shot constants",
        "majority",
        "random choice (closed form)",
    ]
    # always one answer, and either at random: half of the recalls are right
    assert result.frame()["balanced"].tolist()[-2:] == [50.0, 50.0]
    for figure in (result.plot(), population.plot(), MDTree.fit(population).plot()):
        assert figure.axes


def test_health():
    good = check_health(Population.from_frame(small_table(), protocol={"classes": 10}))
    assert good.inside == 1.0
    assert good.collapsed == 0.0
    assert good.problems == ()
    table = small_table()
    cold = table[table["bs"] >= 64].assign(test_acc=lambda x: x["test_acc"] * 0.15)
    bad = check_health(Population.from_frame(cold, protocol={"classes": 10}))
    assert bad.inside == 0.0
    assert bad.collapsed == 1.0
    assert "extend the temperatures" in bad.problems[0]
    assert "0 % of the labels are 'large'" in bad.problems[1]
    assert "near chance" in bad.problems[2]


# refusals -----------------------------------------------------------------------------------------


def test_all_problems_of_a_table_at_once():
    table = small_table().drop(columns=["width", "bs"])
    table.loc[3, "test_acc"] = np.nan
    table.loc[4, "train_error"] = 140.0
    with pytest.raises(InputError) as error:
        Population.from_frame(table)
    text = str(error.value)
    assert "missing columns: width, bs or lr" in text
    assert "test_acc is not finite in 1 rows, first in row 3" in text
    assert "train_error of 140 in 1 rows; expected 0 to 100" in text


def test_only_unknown_columns_are_named(population):
    ones = np.ones(len(population))
    with pytest.raises(InputError, match=r"has unknown columns: colour, shape$"):
        replace(population, columns={**population.columns, "shape": ones, "colour": ones})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(bs=-1), "bs of -1.* expected more than 0"),
        (lambda t: t.assign(CKA="high"), "CKA holds a value that is not a number"),
        (lambda t: pd.concat([t, t]), "30 configurations twice, first width 4"),
        (lambda t: t.iloc[:0], "no rows"),
    ],
)
def test_refused_tables(change, message):
    with pytest.raises(InputError, match=message):
        Population.from_frame(change(small_table()))


def test_metrics_are_asked_for_when_a_tree_needs_them():
    table = small_table().drop(columns=["mode_connectivity_peak", "hessian_t"])
    with pytest.raises(InputError, match="has no hessian_t, mode_connectivity_peak"):
        MDTree.fit(Population.from_frame(table))
    table = small_table()
    table.loc[2, "hessian_t"] = np.nan
    half = Population.from_frame(table)
    with pytest.raises(InputError, match="not finite: hessian_t in 1 of 30 rows"):
        MDTree.fit(half)
    assert MDTree.fit(half, question="width").leaves
    with pytest.raises(InputError, match="missing or not finite: hessian_t"):
        MDTree.zero_shot().predict_one({"train_error": 1.0, "mode_connectivity_peak": -1.0})
    with pytest.raises(InputError, match="the table has no hessian_t"):
        MDTree.zero_shot().predict(small_table().drop(columns="hessian_t"))


def test_refused_arguments(population):
    cold = population.select(population.table["bs"].to_numpy() > 64)
    with pytest.raises(InputError, match=r"only the label 'small'.*needs both of small and large"):
        MDTree.fit(cold)
    with pytest.raises(InputError, match="no label but 'optimal'"):
        MDTree.fit(population.select(population.labels("temperature") == "optimal"))
    with pytest.raises(InputError, match="search is 'fast'"):
        MDTree.fit(population, search="fast")
    with pytest.raises(InputError, match="no tree for question 'depth'"):
        MDTree.fit(population, question="depth")
    with pytest.raises(InputError, match="question is 'depth'"):
        evaluate(population, population, "depth")
    with pytest.raises(InputError, match="cells is 7; small has 6"):
        evaluate(population, population, cells=7)
    with pytest.raises(InputError, match="no seeds"):
        evaluate(population, population, seeds=())
    with pytest.raises(InputError, match="no configuration of small is left"):
        evaluate(population, population, max_width=1)
    with pytest.raises(InputError, match="baseline is 'oracle'"):
        evaluate(population, population, baselines=("oracle",))
    with pytest.raises(InputError, match="name no action"):
        actions_of(np.array(["temperature"]))
    with pytest.raises(InputError, match="2 actions for 30 configurations"):
        step_gains(population, np.array(["widen", "widen"]))
    with pytest.raises(InputError, match="actions shrink"):
        step_gains(population, np.array(["shrink"] * 30))


def test_refused_files(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*nowhere\.csv"):
        read_population(tmp_path / "nowhere.csv")
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    with pytest.raises(InputError, match="is not a CSV table"):
        read_population(empty)
    words = tmp_path / "words.csv"
    words.write_text("width,data,bs,test_acc\nwide,1,16,80\n")
    with pytest.raises(InputError, match="width holds a value that is not a number"):
        read_population(words)


@pytest.mark.parametrize("value", ["0.3", "abc", True, [1.0]])
def test_a_metric_that_is_no_number_is_named(population, value):
    tree = MDTree.zero_shot()
    metrics = {"train_error": 8.0, "mode_connectivity_peak": -3.0, "hessian_t": value}
    with pytest.raises(InputError, match="no numbers: hessian_t is "):
        diagnose(tree, metrics)
    with pytest.raises(InputError, match="no numbers: hessian_t is "):
        prescribe(population, metrics)


def _written(population, path, *, header=str, cell=str):
    known = [name for name in COLUMNS if name in population.table.columns]
    lines = population.table[known].to_csv(index=False)
    names, *rows = lines.strip().split("\n")
    below = [",".join(map(cell, row.split(","))) for row in rows]
    path.write_text("\n".join([",".join(map(header, names.split(","))), *below, "," * 3, ""]))
    return path


def test_blanks_in_a_table_are_no_part_of_it(population, tmp_path):
    plain = read_population(_written(population, tmp_path / "a.csv"))
    spaced = read_population(
        _written(population, tmp_path / "a.csv", header=" {} ".format, cell="  {} ".format)
    )
    pd.testing.assert_frame_equal(plain.table, spaced.table)
    assert len(plain) == len(population)


@pytest.mark.parametrize("blank", ["", "   "])
def test_an_empty_cell_is_a_missing_metric(population, tmp_path, blank):
    path = _written(population, tmp_path / "a.csv")
    names, first, *rest = path.read_text().split("\n")
    cells = first.split(",")
    cells[names.split(",").index("hessian_t")] = blank
    path.write_text("\n".join([names, ",".join(cells), *rest]))
    found = read_population(path)
    assert np.isnan(found.table["hessian_t"]).sum() == 1
    with pytest.raises(InputError, match="not finite: hessian_t in 1 of"):
        found.features(["hessian_t"])


def test_two_columns_of_one_name_are_refused(population, tmp_path):
    path = _written(population, tmp_path / "a.csv")
    path.write_text(path.read_text().replace("width,data", "width,data, width", 1))
    with pytest.raises(InputError, match="two columns of the name width"):
        read_population(path)
