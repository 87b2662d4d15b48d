"""Grids from files, and the faults that make minima out of nothing."""

import contextlib
import io
import json
import math
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from eigenscape.errors import InputError
from eigenscape.topology import GridReport, check_grid, merge_tree, read_grid, unzigzag
from eigenscape.topology._check_zigzag import find_zigzag
from eigenscape.topology._grid import Grid
from tests._results import EXAMPLES

VALUES = np.arange(12.0).reshape(3, 4) ** 1.5
X, Y = np.linspace(-1, 1, 3), np.linspace(-2, 2, 4)


def names(report):
    return {item.name for item in report.suspicions}


def finding(report, name):
    return next(item for item in report.suspicions if item.name == name)


def smooth(seed, shape=(41, 41), width=3.0):
    noise = np.random.default_rng(seed).standard_normal(shape)
    return gaussian_filter(noise, width, mode="reflect")


def zigzagged(values):
    """Sample as a walker does that evaluates late on the way out and early on the way back."""
    rows = values[:, 1:].copy()
    rows[1::2] = values[1::2, :-1]
    return rows


# ---------------------------------------------------------------------------- reading


def long_table(order, header="x,y,loss", mark=","):
    rows = [(X[i], Y[j], VALUES[i, j]) for i in range(3) for j in range(4)]
    rows = [rows[k] for k in order]
    lines = [mark.join(map(repr, map(float, row))) for row in rows]
    return "\n".join([header.replace(",", mark), *lines]) + "\n"


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("seed", [0, 1])
def test_long_tables_in_any_order(tmp_path, seed, mark):
    order = np.random.default_rng(seed).permutation(12)
    path = tmp_path / "long.csv"
    path.write_text(long_table(order, mark=mark))
    grid = read_grid(path)
    np.testing.assert_array_equal(grid.values, VALUES)
    np.testing.assert_array_equal(grid.axes[1], Y)
    assert (grid.names, grid.value) == (("x", "y"), "loss")


def test_long_tables_with_more_columns(tmp_path):
    path = tmp_path / "long.csv"
    rows = [f"{a},{b},{10 * a + b},{b - a}" for a in range(3) for b in range(2)]
    path.write_text("\n".join(["alpha,beta,test_loss,train_loss", *rows]))
    assert read_grid(path).value == "train_loss"
    grid = read_grid(path, value="test_loss")
    np.testing.assert_array_equal(grid.values, [[0, 1], [10, 11], [20, 21]])
    assert "train_loss" in grid.notes[0]


def test_long_table_without_header(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("\n".join(long_table(range(12)).splitlines()[1:]))
    grid = read_grid(path)
    np.testing.assert_array_equal(grid.values, VALUES)
    assert "no header" in grid.notes[0]


def test_coordinates_with_rounding_noise_are_one_level(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("x,y,loss\n0.30000000000000004,0,1\n0.3,1,2\n0.1,0,3\n0.1,1,4\n")
    np.testing.assert_array_equal(read_grid(path).values, [[3, 4], [1, 2]])


def test_matrices(tmp_path):
    path = tmp_path / "m.csv"
    np.savetxt(path, VALUES, delimiter=",")
    np.testing.assert_allclose(read_grid(path).values, VALUES)
    np.savetxt(tmp_path / "m.txt", VALUES, header="rows of losses")
    np.testing.assert_allclose(read_grid(tmp_path / "m.txt").values, VALUES)
    np.savetxt(path, [[0, 0, 1], [0, 1, 2.0]], header="x y loss")
    np.testing.assert_array_equal(read_grid(path).values, [1, 2])
    path.write_text("\n,0.5,1.5\n-1,1,2\n1,3,4\n")
    grid = read_grid(path)
    np.testing.assert_array_equal(grid.values, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(np.stack(grid.axes), [[-1, 1], [0.5, 1.5]])
    path.write_text("1\n3\n2\n")
    assert read_grid(path).shape == (3,)


def test_numpy_files(tmp_path):
    np.save(tmp_path / "a.npy", VALUES.astype(np.float32))
    grid = read_grid(tmp_path / "a.npy")
    assert grid.values.dtype == np.float64
    np.testing.assert_array_equal(grid.values, VALUES.astype(np.float32))
    np.savez(tmp_path / "b.npz", x=X, y=Y, losses=VALUES, acc=VALUES)
    grid = read_grid(tmp_path / "b.npz")
    np.testing.assert_array_equal(grid.coordinates[0], X)
    assert (grid.value, grid.names) == ("losses", ("x", "y"))
    assert "acc" in grid.notes[0]
    np.savez_compressed(tmp_path / "c.npz", whatever=VALUES[None])
    grid = read_grid(tmp_path / "c.npz")
    assert grid.shape == (3, 4)
    assert "one sample" in grid.notes[0]


def test_surfaces_in_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "surface.h5"
    loss = VALUES.copy()
    loss[0, 0] = -1
    with h5py.File(path, "w") as file:
        file["xcoordinates"], file["ycoordinates"] = X, Y
        file["train_loss"], file["train_acc"] = loss, VALUES
        file["dir_file"] = "weights.h5"
    grid = read_grid(path)
    assert grid.value == "train_loss"
    assert math.isnan(grid.values[0, 0])
    assert any("train_acc" in line for line in grid.notes)
    assert any("not evaluated yet" in line for line in grid.notes)
    np.testing.assert_array_equal(grid.coordinates[1], Y)
    np.testing.assert_array_equal(read_grid(path, value="train_acc").values, VALUES)
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(InputError, match="HDF5"):
        read_grid(path)


def test_netcdf(tmp_path):
    import xarray as xr

    data = xr.Dataset(
        {"loss": (("alpha", "beta"), VALUES), "count": (("alpha",), X)},
        coords={"alpha": X, "beta": Y},
    )
    data.to_netcdf(tmp_path / "classic.nc", engine="scipy")
    grid = read_grid(tmp_path / "classic.nc")
    np.testing.assert_array_equal(grid.values, VALUES)
    np.testing.assert_array_equal(grid.axes[1], Y)
    assert grid.names == ("alpha", "beta")
    pytest.importorskip("h5py")
    data.to_netcdf(tmp_path / "four.nc", engine="h5netcdf")
    np.testing.assert_array_equal(read_grid(tmp_path / "four.nc").values, VALUES)


def saved(array, **options):
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def zipped(name, content):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        # a fixed time: the bytes are part of test names, which all workers must agree on
        archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


OBJECTS = saved(np.array([{"a": 1}, None], dtype=object), allow_pickle=True)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npy", b"", "is empty"),
        ("a.npy", saved(VALUES)[:-5], "copy it again"),
        ("a.npy", saved(VALUES)[:20], "not a numpy array file"),
        ("a.npy", b"PK nonsense", "not a numpy array file"),
        ("a.npy", pickle.dumps([1, 2]), "not a numpy array file"),
        ("a.npy", OBJECTS, "unpickling can run code"),
        ("a.npy", saved(VALUES * 1j), "complex numbers"),
        ("a.npy", saved(np.array(["a", "b"])), "text"),
        ("a.npy", saved(np.array(3.0)), "at least 2"),
        ("a.npy", saved(np.ones((1, 1))), "at least 2"),
        ("a.npy", saved(np.full((3, 3), np.nan)), "no finite value"),
        ("a.npy", saved(np.empty((0, 4))), "at least 2"),
        ("a.npz", zipped("loss.npy", OBJECTS), "unpickling can run code"),
        ("a.npz", zipped("loss.npy", saved(VALUES)[:-5]), "cannot be read|not a whole"),
        ("a.npz", zipped("loss.npy", saved(VALUES))[:60], "not a whole"),
        ("a.npz", zipped("readme.txt", b"x"), "holds nothing"),
        ("a.csv", b"1,2,3\n4,5\n", "ragged"),
        ("a.csv", b"x,y,loss\n0,0,1\n0,1\n", "ragged"),
        ("a.csv", b"1,2\n3,four\n", "four"),
        ("a.csv", b"x,y,loss\n", "no rows of numbers"),
        ("a.csv", b"\n \n", "has no rows"),
        ("a.csv", b"\xff\xfe\x00\x01,2\n", "not text"),
        ("a.csv", b"x,y,loss\n0,0,1\n0,1,2\n1,0,3\n", "1 samples missing"),
        ("a.csv", b"x,y,loss\n0,0,1\n0,1,2\n1,0,3\n1,1,4\n1,1,5\n", "1 more than once"),
        ("a.csv", b"x,y,loss\n0,nan,1\n0,1,2\n", "not a finite number"),
        ("a.csv", b"x,y,error,accuracy\n0,0,1,2\n0,1,1,2\n", "which is the loss"),
        ("a.csv", b"loss\n1\n2\n", "no coordinates"),
        ("a.csv", b"x,y,loss,acc\n0,0,1\n0,1,1\n", "4 names in its header and 3 columns"),
        ("a.nc", b"CDF\x01 broken", "netCDF"),
        ("a.png", b"123", "grids are read from"),
        ("a.json", b"[1, 2]", "holds a JSON list"),
        ("a.json", b'{"loss": 3}', "states the schema None"),
        ("a.json", b'{"schema": "eigenscape.landscape/9"}', "version 9 of eigenscape.landscape"),
    ],
)
def test_bad_files_are_explained(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=words) as error:
        read_grid(path)
    assert str(path) in str(error.value)


def test_a_saved_landscape_is_read_as_it_is(tmp_path):
    landscape = EXAMPLES["Landscape"]()
    grid = read_grid(landscape.save(tmp_path / "landscape.json"), value="loss")
    np.testing.assert_array_equal(grid.values, landscape.values)
    assert np.isposinf(grid.values[0, 0])
    np.testing.assert_array_equal(grid.axes, landscape.coordinates)
    assert (grid.names, grid.value) == (("one", "two"), "loss")
    with pytest.raises(InputError, match=r"no array 'accuracy'; it holds: loss"):
        read_grid(tmp_path / "landscape.json", value="accuracy")


def test_of_other_results_only_those_with_a_grid_are_read(tmp_path):
    report = EXAMPLES["GridReport"]()
    path = report.save(tmp_path / "grid.json")
    np.testing.assert_array_equal(read_grid(path).values, report.values)
    assert read_grid(EXAMPLES["TopologyResult"]().save(path)).shape == (7, 6)
    with pytest.raises(InputError, match=r"path/1, which has no grid; .*landscape\.json"):
        read_grid(EXAMPLES["PathResult"]().save(path))
    large = EXAMPLES["GridReport"]()
    path.write_text(json.dumps({**large.to_dict(), "values": None}))
    with pytest.raises(InputError, match="saved without its losses"):
        read_grid(path)


def test_a_landscape_without_a_topology_says_why(tmp_path):
    whole = EXAMPLES["Landscape"]()
    lost = replace(whole, values=np.full((5, 5), np.inf))
    with pytest.raises(InputError, match="no finite value"):
        read_grid(lost.save(tmp_path / "lost.json"))
    axes = (np.zeros(1), np.zeros(1))
    point = replace(whole, values=np.ones((1, 1)), coordinates=axes)
    with pytest.raises(InputError, match=r"1 sample\(s\); a topology needs at least 2"):
        read_grid(point.save(tmp_path / "point.json"))


def test_scattered_samples_are_no_grid(tmp_path):
    path = tmp_path / "a.csv"
    rows = np.random.default_rng(0).random((40, 3))
    np.savetxt(path, rows, delimiter=",", header="x,y,loss", comments="")
    with pytest.raises(InputError, match="not a regular grid"):
        read_grid(path)


def test_wrong_places_and_names(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_grid(tmp_path / "a.npy")
    with pytest.raises(InputError, match="is a folder"):
        read_grid(tmp_path)
    np.savez(tmp_path / "a.npz", first=VALUES, second=VALUES)
    with pytest.raises(InputError, match=r"first \(3, 4\), second \(3, 4\); which"):
        read_grid(tmp_path / "a.npz")
    with pytest.raises(InputError, match="value is 'third'"):
        read_grid(tmp_path / "a.npz", value="third")
    np.save(tmp_path / "a.npy", VALUES)
    with pytest.raises(InputError, match="without a name"):
        read_grid(tmp_path / "a.npy", value="loss")


def test_a_grid_beyond_memory_is_refused_before_it_is_read(tmp_path, monkeypatch):
    np.save(tmp_path / "a.npy", np.zeros((100, 100)))
    monkeypatch.setattr("eigenscape.topology._grid.memory", lambda: 500_000)
    with pytest.raises(InputError, match=r"10,000 samples.*thin the grid"):
        read_grid(tmp_path / "a.npy")


# ---------------------------------------------------------------------------- zig-zag


def test_a_zigzag_bowl_has_one_minimum_again_after_the_repair():
    x = np.linspace(-1, 1, 42)
    bowl = 0.02 * np.linspace(-1, 1, 41)[:, None] ** 2 + (x + 1.2) ** 2
    grid = zigzagged(bowl)
    report = check_grid(grid)
    found = finding(report, "zig-zag")
    assert found.severity == "fault"
    evidence = found.evidence
    assert (evidence["rows"], evidence["axis"]) == (0, 1)
    assert evidence["drop"] > 30
    for connectivity in ("cross", "freudenthal", "full"):
        before = merge_tree(grid, connectivity).n_minima
        assert evidence[f"minima_{connectivity}"] == before >= 19
        assert evidence[f"minima_repaired_{connectivity}"] == 1
    repaired = unzigzag(grid, evidence["axis"], evidence["shift"], rows=evidence["rows"])
    np.testing.assert_array_equal(repaired, bowl[:, 1:-1])
    assert "zig-zag" not in names(check_grid(repaired))


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("size", [11, 21, 41])
def test_zigzag_is_found_whichever_way_it_runs(size, flip, transpose):
    for seed in range(5):
        values = zigzagged(smooth(seed, (size, size + 1)))
        values = values[:, ::-1] if flip else values
        values = values.T if transpose else values
        hit = find_zigzag(values)
        assert (hit.rows, hit.axis) == ((1, 0) if transpose else (0, 1))
        assert hit.shift == (1 if flip else -1)
        assert hit.drop > 2


def test_zigzag_in_three_dimensions():
    values = np.moveaxis(zigzagged(smooth(0, (15, 16, 15), 2.5)), 2, 0)
    hit = find_zigzag(values)
    assert (hit.rows, hit.axis) == (1, 2)
    assert unzigzag(values, hit.axis, hit.shift, rows=hit.rows).shape == (15, 15, 14)


def test_no_false_alarm_on_smooth_rough_or_random_surfaces():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        shape = tuple(rng.integers(7, 42, size=2))
        width = float(rng.choice([0.7, 1, 2, 4, 8]))
        surface = smooth(seed, shape, width)
        assert find_zigzag(surface) is None
        assert find_zigzag(np.exp(5 * surface / np.abs(surface).max())) is None
        assert find_zigzag(rng.standard_normal(shape)) is None


def test_no_false_alarm_on_patterns():
    i, j = np.meshgrid(np.arange(21), np.arange(22), indexing="ij")
    for values in (1.0 * i, 1.0 * j, (-1.0) ** (i + j), (-1.0) ** i, i + 2.0 * j, 0.0 * i + 3):
        assert find_zigzag(values) is None


def test_bad_repairs():
    with pytest.raises(InputError, match="two axes"):
        unzigzag(np.ones((3, 3, 3)))
    with pytest.raises(InputError, match="two axes"):
        unzigzag(np.ones((3, 3)), 1, rows=1)
    with pytest.raises(InputError, match=r"\+1 or -1"):
        unzigzag(np.ones((3, 3)), 1, 2)


# ---------------------------------------------------------------------------- other faults


def bowl(n=11):
    x = np.linspace(-1, 1, n)
    return x, x[:, None] ** 2 + x**2


def test_nothing_is_found_on_a_clean_grid():
    x, values = bowl()
    assert check_grid(values, (x, x)).suspicions == ()
    assert check_grid(values).suspicions == ()


def test_no_faults_on_random_smooth_surfaces():
    for seed in range(100):
        assert check_grid(smooth(seed, (21, 21))).faults == ()


def test_patches_that_are_not_finite():
    _, values = bowl()
    values[0, :3] = np.nan
    values[9, 9] = np.inf
    evidence = finding(check_grid(values), "not-finite").evidence
    assert (evidence["samples"], evidence["patches"]) == (4, 2)


def test_constant_and_duplicated():
    assert names(check_grid(np.full((5, 5), 2.0))) == {"constant"}
    _, values = bowl()
    values[4] = values[3]
    assert finding(check_grid(values), "duplicated-rows").evidence == {
        "axis": 0,
        "slices": 1,
        "of": 11,
    }
    flat = np.tile(np.linspace(-1, 1, 7) ** 2, (7, 1))
    assert "does not change along axis 0" in finding(check_grid(flat), "duplicated-rows").sentence


@pytest.mark.parametrize(("kind", "severity"), [(np.float32, "fault"), (np.float64, "note")])
def test_minima_made_of_rounding(kind, severity):
    _, values = bowl(21)
    noise = np.random.default_rng(0).integers(-2, 3, values.shape) * np.spacing(np.float32(2.3))
    grid = (2.3 + 1e-6 * values + noise).astype(kind)
    found = finding(check_grid(grid), "noise-floor")
    assert found.severity == severity
    assert found.evidence["minima"] == merge_tree(grid.astype(np.float64)).n_minima > 10
    assert found.evidence["above"] == 1
    assert found.evidence["type"] == "float32"
    assert "noise-floor" not in names(check_grid(np.asarray(2.3 + values, dtype=np.float32)))


def test_chance_level():
    _, values = bowl()
    report = check_grid(math.log(10) + 1e-3 * values)
    assert finding(report, "chance-level").evidence["classes"] == 10
    assert "chance-level" not in names(check_grid(math.log(10) + 0.1 * values))


# Of sentiment, CIFAR, Caltech, Tiny ImageNet, ImageNet; of two vocabularies.
@pytest.mark.parametrize("classes", [2, 10, 37, 100, 101, 200, 257, 365, 1000, 10_000, 50_257])
def test_the_class_numbers_of_well_known_data(classes):
    report = check_grid(math.log(classes) + 1e-4 * bowl()[1])
    assert finding(report, "chance-level").evidence["classes"] == classes


def test_swapped_axes():
    values = np.add.outer(X**2, Y**2)
    assert finding(check_grid(values.T, (X, Y)), "swapped-axes").severity == "fault"
    assert finding(check_grid(values, (X, X, Y)), "axes-mismatch").severity == "fault"
    report = check_grid(values, (X, 100 * Y))
    assert finding(report, "unequal-extents").severity == "note"


def test_axes_that_are_uneven():
    x, values = bowl()
    assert finding(check_grid(values, (x**3, x)), "uneven-axis").evidence["axis"] == 0


def test_centre():
    x, values = bowl()
    even = np.linspace(-1, 1, 10)
    assert finding(check_grid(values[:, :10], (x, even)), "off-centre").severity == "note"
    walked = np.linspace(-1, 1, 11) + 0.2  # one step off, as a zig-zag walker leaves it
    assert finding(check_grid(values, (walked, x)), "off-centre").evidence[
        "steps_off"
    ] == pytest.approx(1)
    outside = finding(check_grid(values, (x + 3, x)), "off-centre")
    assert outside.severity == "fault"
    assert "not even inside" in outside.sentence
    assert finding(check_grid(values[:10, :10]), "even-steps").severity == "note"
    slope = np.add.outer(x, x)
    assert finding(check_grid(slope), "off-centre-minimum").evidence["index"] == "(0, 0)"


def test_bad_values():
    for values, words in (
        ([[1, 2], [3]], "ragged"),
        ([1.0], "at least 2"),
        (np.array([1j, 2]), "complex"),
        ([np.nan, np.nan], "no finite"),
    ):
        with pytest.raises(InputError, match=words):
            check_grid(values)


def test_report_round_trip(tmp_path):
    report = check_grid(zigzagged(smooth(3)))
    back = GridReport.load(report.save(tmp_path / "report.json"))
    assert back.suspicions == report.suspicions
    assert list(back.frame()["severity"]) == sorted(back.frame()["severity"])
    np.testing.assert_array_equal(back.values, report.values)
    back.plot().draw_without_rendering()
    for values in (np.arange(9.0) ** 2, np.random.default_rng(0).random((5, 6, 7))):
        check_grid(values).plot().draw_without_rendering()
    report = check_grid(np.add.outer(np.arange(500.0), np.arange(401.0)))
    back = GridReport.load(report.save(tmp_path / "report.json"))
    with pytest.raises(InputError, match="200,500 samples"):
        back.plot()


def test_coordinates_only_where_they_fit():
    assert Grid(values=VALUES, axes=(X, Y)).coordinates == (X, Y)
    assert Grid(values=VALUES, axes=(Y, X)).coordinates is None


# ---------------------------------------------------------------------------- files made to harm


def npy_header(shape, dtype="<f8"):
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


def test_stated_sizes_are_checked_before_memory_is_taken(tmp_path):
    huge = npy_header((100_000_000_000,))
    (tmp_path / "a.npy").write_bytes(huge + bytes(16))
    (tmp_path / "b.npz").write_bytes(zipped("loss.npy", huge + bytes(16)))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:  # a small loss with gigabytes of coordinates
        archive.writestr("loss.npy", saved(VALUES))
        archive.writestr("x.npy", npy_header((500_000_000,)) + bytes(16))
        archive.writestr("y.npy", saved(Y))
    (tmp_path / "c.npz").write_bytes(buffer.getvalue())
    with pytest.raises(InputError, match="its merge tree needs"):
        read_grid(tmp_path / "a.npy")
    for name in ("b.npz", "c.npz"):
        with pytest.raises(InputError, match=r"compressed bytes|samples"):
            read_grid(tmp_path / name)


def test_coordinates_that_outnumber_the_samples_are_refused(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(10_000), y=Y, loss=VALUES)
    with pytest.raises(InputError, match=r"\(10000,\) for a grid of 12 samples"):
        read_grid(tmp_path / "a.npz")
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["xcoordinates"], file["ycoordinates"] = np.zeros(10_000), Y
        file["train_loss"] = VALUES
    with pytest.raises(InputError, match="for a grid of 12 samples"):
        read_grid(tmp_path / "a.h5")


def test_values_in_another_file_are_never_read(tmp_path):
    h5py = pytest.importorskip("h5py")
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.arange(12.0).tobytes())
    for suffix in (".h5", ".nc"):
        path = tmp_path / f"external{suffix}"
        with h5py.File(path, "w") as file:
            file.create_dataset(
                "train_loss", (3, 4), dtype="f8", external=[(str(secret), 0, h5py.h5f.UNLIMITED)]
            )
        with pytest.raises(InputError, match="another file"):
            read_grid(path)
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["train_loss"] = VALUES
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        layout = h5py.VirtualLayout((3, 4), "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "train_loss", (3, 4))
        file.create_virtual_dataset("train_loss", layout)
    with pytest.raises(InputError, match="virtual data set"):
        read_grid(tmp_path / "virtual.h5")
    with h5py.File(tmp_path / "linked.h5", "w") as file:
        file["train_loss"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "train_loss")
    with pytest.raises(InputError, match="holds nothing"):
        read_grid(tmp_path / "linked.h5")


def test_data_sets_that_state_more_than_they_store_are_refused(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("train_loss", (1_000_000, 1_000), dtype="f8", chunks=(100, 100))
    with pytest.raises(InputError, match="0 bytes of it are stored"):
        read_grid(tmp_path / "a.h5")


def flipped(content, seed, places=3):
    rng = np.random.default_rng(seed)
    data = bytearray(content)
    for place in rng.integers(len(data), size=places):
        data[place] ^= 1 << int(rng.integers(8))
    return bytes(data)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "packed.npz", "a.h5", "classic.nc", "four.nc"])
def test_damaged_files_end_in_one_sentence(tmp_path, name):
    xr = pytest.importorskip("xarray")
    h5py = pytest.importorskip("h5py")
    path = tmp_path / name
    data = xr.Dataset({"loss": (("x", "y"), VALUES)}, coords={"x": X, "y": Y})
    if name == "a.npy":
        np.save(path, VALUES)
    elif name.endswith(".npz"):
        (np.savez if name == "a.npz" else np.savez_compressed)(path, x=X, y=Y, loss=VALUES)
    elif name == "a.h5":
        with h5py.File(path, "w") as file:
            file.create_dataset("train_loss", data=VALUES, compression="gzip", chunks=(3, 4))
    else:
        data.to_netcdf(path, engine="scipy" if name == "classic.nc" else "h5netcdf")
    whole = path.read_bytes()
    for seed in range(60):
        path.write_bytes(flipped(whole, seed) if seed % 3 else whole[: seed * len(whole) // 60])
        with contextlib.suppress(InputError):  # any other exception is a failure
            read_grid(path)


def test_a_wide_table_is_answered_at_once(tmp_path):
    path = tmp_path / "wide.csv"
    wide = 5_000
    path.write_text("\n".join(",".join(["1.5", *["1"] * (wide - 1)]) for _ in range(3)))
    assert read_grid(path).shape == (3, wide)
    names = ",".join(f"c{k}" for k in range(wide))
    path.write_text(names + "\n" + ",".join(["1"] * wide) + "\n")
    with pytest.raises(InputError, match="at most 16 coordinates"):
        read_grid(path)


def test_full_connectivity_has_a_limit_that_is_said():
    values = np.random.default_rng(0).random((2,) * 12)
    with pytest.raises(InputError, match=r"12 axes: 531,440 neighbours.*freudenthal"):
        merge_tree(values)
    assert merge_tree(values, "cross").n_minima > 0


def test_an_accuracy_is_never_taken_for_the_loss(tmp_path):
    h5py = pytest.importorskip("h5py")
    surface = tmp_path / "surface.h5"
    with h5py.File(surface, "w") as file:
        file["xcoordinates"], file["ycoordinates"] = np.arange(3.0), np.arange(4.0)
        file["train_acc"] = np.arange(12.0).reshape(3, 4)
    archive = tmp_path / "surface.npz"
    np.savez(archive, x=np.arange(3.0), test_accuracy=np.ones((3, 4)))
    table = tmp_path / "table.csv"
    table.write_text("x,y,Train Acc\n0,0,1\n0,1,2\n1,0,3\n1,1,4\n")
    for path in (surface, archive, table):
        with pytest.raises(InputError, match="Try: value=NAME"):
            read_grid(path)
    assert read_grid(surface, value="train_acc").values[2, 3] == 11.0
    assert read_grid(table, value="Train Acc").values[1, 1] == 4.0


@pytest.mark.parametrize("kind", ["many data sets", "groups in groups"])
def test_a_file_of_thousands_of_data_sets_is_refused_at_once(tmp_path, kind):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "many.h5"
    with h5py.File(path, "w") as file:
        group = file
        for number in range(2100 if kind == "many data sets" else 40):
            group = file if kind == "many data sets" else group.create_group("g")
            group.create_dataset(f"d{number}", data=1.0)
    with pytest.raises(InputError, match="the file of a grid holds a few"):
        read_grid(path)


def test_of_many_arrays_the_first_are_named(tmp_path):
    arrays = {f"a{number}": np.ones((2, 2)) for number in range(300)}
    np.savez(tmp_path / "many.npz", **arrays)
    with pytest.raises(InputError, match=r"a11 \(2, 2\) and 288 more") as caught:
        read_grid(tmp_path / "many.npz")
    assert len(str(caught.value)) < 500
    np.savez(tmp_path / "loss.npz", loss=np.ones((2, 2)), **arrays)
    assert read_grid(tmp_path / "loss.npz").notes[0].endswith("and 288 more")
