"""What the command answers: a table of input and answer for every verb and every kind of value."""

import re
import shutil
import subprocess
import time
from argparse import ArgumentTypeError, _SubParsersAction

import numpy as np
import pytest
import torch

from eigenscape.checkpoints import save_checkpoint
from eigenscape.cli import main
from eigenscape.cli._main import make_parser
from eigenscape.cli._parser import UsageError
from eigenscape.cli._values import Listed, Number, Whole, duration

#: Each verb, and each action of a verb, with the words that it needs.
NEEDED = {
    "checkup": [],
    "spectra": ["m.pt"],
    "compare": ["m.pt", "m.pt"],
    "reference": [],
    "reference add": ["m.pt", "--name", "n"],
    "reference remove": ["n"],
    "landscape": ["--probe", "p.py:f"],
    "hessian": ["--probe", "p.py:f"],
    "diagnose": [],
    "diagnose model": ["p.py:f"],
    "diagnose grow": ["--probe", "p.py:f", "--out", "pop"],
    "diagnose evaluate": ["--train", "a.csv", "--test", "b.csv"],
    "diagnose fit": ["a.csv"],
    "perplexity": ["m", "--text", "t.txt"],
    "topology": ["g.npy"],
    "check-grid": ["g.npy"],
    "allocate": ["lr", "m.pt"],
    "prune": ["m", "--out", "p"],
    "adapt": ["m", "--rank-budget", "4"],
    "patch": [],
    "patch diff": ["a.pt", "b.pt", "--out", "c"],
    "patch apply": ["p", "a.pt", "--out", "c"],
    "patch revert": ["p", "a.pt", "--out", "c"],
    "patch show": ["p"],
    "report": ["r.json"],
    "study": [],
    "doctor": [],
    "completion": ["bash"],
}
#: Metaphors and words of this project's own making, which no help may hold.
FORBIDDEN = (
    *(
        "room",
        "floor below",
        "journey",
        "treat",
        "cure",
        "disease",
        "symptom",
        "illness",
        "patient",
    ),
    *("medicine", "prescription pad", "healthy", "sick", "doctor says", "oracle", "held against"),
    *("noun", "verb", "crumb", "honest", "speaks", "anatomy", "fingerprint", "magic", "simply"),
)


def parsers(parser=None, above=()):
    """Yield the name of each verb, and of each action of a verb, with its parser."""
    for action in (parser or make_parser())._actions:
        if isinstance(action, _SubParsersAction):
            for name, inner in action.choices.items():
                inner.fill()
                yield " ".join((*above, name)), inner
                yield from parsers(inner, (*above, name))


def answer(capsys, *words):
    """Return the exit status and the lines of an answer that is an error."""
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert len(lines) <= 2, err
    assert lines[0].startswith("eigenscape: ")
    assert "usage:" not in err
    assert "Traceback" not in err
    return code, err


def test_the_table_has_every_verb():
    assert sorted(NEEDED) == sorted(name for name, _ in parsers())


# ---- help


def test_alone_it_prints_its_help_by_what_the_user_wants(capsys):
    assert helped(capsys) == helped(capsys, "--help") == helped(capsys, "help")
    text = helped(capsys)
    places = [text.index(title) for title in ("look at the", "with your model", "change the")]
    assert places == sorted(places)
    assert text.index("  spectra") < places[1] < text.index("  landscape") < places[2]
    assert "COMMAND" in text
    assert "VERB" not in text
    assert all(len(line) <= 100 for line in text.splitlines())


def helped(capsys, *words):
    with pytest.raises(SystemExit) as leave:
        main(list(words))
    assert leave.value.code == 0
    out, err = capsys.readouterr()
    assert err == ""
    return out


@pytest.mark.parametrize("verb", [*NEEDED])
def test_help_of_each_verb_is_plain(verb, capsys):
    text = helped(capsys, "help", *verb.split())
    assert text == helped(capsys, *verb.split(), "--help")
    assert text.startswith(f"usage: eigenscape {verb} ")
    words = " ".join(text.lower().split())
    assert [word for word in FORBIDDEN if re.search(rf"\b{word}\b", words)] == []


def test_every_option_with_a_value_says_its_default_or_that_it_is_required():
    bare = [
        f"{name} {action.option_strings[0]}"
        for name, parser in parsers()
        for action in parser._actions
        if action.option_strings
        and action.nargs != 0
        and not action.required
        and "[" not in (action.help or "")
    ]
    assert bare == []


# ---- unknown and missing


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["specra", "m.pt"], "there is no command 'specra'. Try: eigenscape spectra"),
        (["help", "landscpe"], "there is no command 'landscpe'. Try: eigenscape landscape"),
        (["grid"], "there is no command 'grid'. Try: eigenscape check-grid"),
        (["patch", "dif", "a", "b"], "there is no command 'dif'. Try: eigenscape patch diff"),
        (["diagnose", "grwo"], "there is no command 'grwo'. Try: eigenscape diagnose grow"),
        (["reference", "ad", "m"], "there is no command 'ad'. Try: eigenscape reference add"),
        (["zzz"], "there is no command 'zzz'; the commands of eigenscape are checkup, "),
        (["--format", "json", "spectra"], "Try: options after the command: eigenscape COMMAND"),
        (["patch"], "patch needs diff, apply, revert or show. Try: eigenscape patch --help"),
        (["spectra"], "path is missing. Try: eigenscape spectra PATH"),
        (["landscape"], "--probe is missing. Try: eigenscape landscape --probe FILE.py:FUNCTION"),
        (["spectra", "a", "b"], "'b' is one word too many. Try: eigenscape spectra PATH"),
        (["doctor", "me"], "'me' is one word too many. Try: eigenscape doctor"),
        (["spectra", "a", "--format"], "--format needs a value. Try: --format table"),
        (["spectra", "a", "--quiet=1"], "--quiet takes no value"),
        (["spectra", "a", "--form", "csv"], "spectra has no option --form. Try: --format"),
        (["hessian", "--probe", "p.py:f", "--budgt", "9"], "no option --budgt. Try: --budget"),
    ],
)
def test_what_is_near_is_named(words, said, capsys):
    code, err = answer(capsys, *words)
    assert code == 2
    assert said in err


def refused(parser, *words):
    """Return what a parser says, used again and again."""
    with pytest.raises(UsageError) as said:
        parser.parse_args([str(word) for word in words])
    return str(said.value)


@pytest.mark.parametrize("verb", [*NEEDED])
def test_unknown_near_and_missing_options_of_each_verb(verb, capsys):
    code, err = answer(capsys, *verb.split(), *NEEDED[verb], "--wxyz")
    assert code == 2
    assert "has no option --wxyz. Try: " in err
    parser = dict(parsers())[verb]
    for action in parser._actions:
        flag = action.option_strings[-1] if action.option_strings else ""
        if len(flag) < 5:
            continue
        slip = flag[:-2] + flag[-1] + flag[-2]  # two letters the wrong way round
        slip = slip if slip != flag else f"{flag}x"
        assert f"has no option {slip}. Try: --" in refused(parser, *NEEDED[verb], slip)
        if action.nargs != 0:
            said = refused(parser, *NEEDED[verb], flag)
            assert said.startswith(f"{action.option_strings[0]} needs a value. Try: ")
    if NEEDED[verb]:
        said = refused(parser)
        assert " missing. Try: eigenscape " in said or "needs lr" in said


def test_a_command_says_soon_that_it_runs(monkeypatch, capsys):
    from eigenscape.cli import _doctor, _main

    monkeypatch.setattr(_main, "_QUIET_START", 0.01)
    monkeypatch.setattr(_doctor, "_packages", lambda: time.sleep(0.3) or {})
    assert main(["doctor"]) == 0
    out, err = capsys.readouterr()
    assert err == "eigenscape: doctor is running\n"
    assert "Hill exponent" in out


# ---- values


def wrong_value(action):
    """Return a word that this argument cannot take, or None where any word may be right."""
    if action.choices is not None:
        return "nonsense"
    if isinstance(action.type, Whole):
        return str(action.type.least - 1) if action.type.least else "many"
    if isinstance(action.type, Number):
        return "nan"
    return "?" if isinstance(action.type, Listed) or action.type is duration else None


@pytest.mark.parametrize("verb", [*NEEDED])
def test_a_wrong_value_of_each_option(verb):
    seen, parser = 0, dict(parsers())[verb]
    for action in parser._actions:
        word = wrong_value(action) if action.option_strings else None
        if word is None:
            continue
        said = refused(parser, *NEEDED[verb], action.option_strings[-1], word)
        assert said.startswith(f"{action.option_strings[0]} is '{word}'; expected ")
        seen += 1
    assert seen or verb in (
        "patch",
        "patch diff",
        "patch apply",
        "patch revert",
        "diagnose",
        "reference remove",
        "report",
        "completion",
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [  # one row for each kind of value: the input, and the answer
        (["spectra", "m.pt", "--jobs", "two"], "--jobs is 'two'; expected a whole number of 1"),
        (["spectra", "m.pt", "--jobs", "0"], "a whole number of 1 or more. Try: --jobs 2"),
        (["landscape", "--probe", "p.py:f", "--steps", "1.5"], "Try: --steps 41"),
        (["hessian", "--probe", "p.py:f", "--tolerance", "0"], "expected a number above 0"),
        (["diagnose", "grow", "--probe", "p.py:f", "--out", "p", "--label-noise", "30"],
         "--label-noise is '30'; expected a number from 0 to 1. Try: --label-noise 0"),
        (["hessian", "--probe", "p.py:f", "--time-budget", "1 day"],
         "--time-budget is '1 day'; expected a time above 0, such as 90s, 10m, 2h, or seconds"),
        (["study", "x", "--seed-list", "1;2"], "expected whole numbers separated by commas"),
        (["hessian", "--probe", "p.py:f", "--matrix", "gnn"],
         "--matrix is 'gnn'; expected hessian or ggn. Try: --matrix ggn"),
        (["allocate", "sparsty", "m.pt"], "expected lr, sparsity, experts, ranks or bits"),
        (["landscape", "--probe", "probe"], "--probe expects FILE.py:FUNCTION"),
        (["landscape", "--probe", "nowhere.py:f"], "--probe: there is no file nowhere.py"),
        (["spectra", "gpt2"], "no such file: gpt2. Try: check the path; for a model of"),
        (["compare", "{model}", "gpt2"], "hf download OWNER/gpt2 --local-dir gpt2"),
        (["perplexity", "gpt2", "--text", "{grid}"], "hf download OWNER/gpt2 --local-dir gpt2"),
        (["spectra", "nowhere.pt"], "no such file: nowhere.pt"),
        (["spectra", "{model}", "--out", "{model}"], "--out {model} cannot be made a folder"),
        (["spectra", "{model}", "--device", "gpu"], "--device gpu cannot be used"),
        (["spectra", "{model}", "--kind", "nothing"], "--kind"),
        (["spectra", "{model}", "--xmin", "2"], "--xmin"),
        (["spectra", "{model}", "--metrics", "tpl,x"], "--metrics"),
        (["spectra", "{model}", "--fail-on", "ded"], "--fail-on cannot read ded"),
        (["spectra", "{model}", "--include", "fc"], "fc"),
        (["compare", "{model}", "{model}", "--fail-on", "x=1"], "--fail-on"),
        (["compare", "{model}", "{model}", "--fail-on", "weights=x"], "--fail-on"),
        (["allocate", "sparsity", "{model}", "--sparsity", "70"], "Try: --sparsity 0.7"),
        (["allocate", "sparsity", "{model}"], "--total"),
        (["allocate", "lr", "{model}", "--rule", "tb_linaer"], "--rule"),
        (["allocate", "lr", "{model}", "--column", "alpah_hill"], "--column"),
        (["allocate", "lr", "{model}", "--s", "x"], "--s expects a number"),
        (["topology", "{grid}", "--simplify", "x"], "--simplify expects a loss"),
        (["topology", "{grid}", "--value", "tets"], "--value is 'tets'; "),
        (["reference", "--metric", "alpha_exces"], "--metric"),
        (["study", "heavy_tail"], "Try: eigenscape study heavy_tails"),
        (["study", "heavy_tails", "--scale", "smal"], "--scale"),
        (["gpt2-not-here"], "there is no command 'gpt2-not-here'"),
    ],
)  # fmt: skip
def test_the_answer_to_each_kind_of_value(words, said, capsys, tmp_path):
    model = save_checkpoint({"fc1.weight": torch.randn(64, 64)}, tmp_path / "m.safetensors")
    grid = tmp_path / "grid.npz"
    np.savez(grid, train=np.eye(4), test=np.eye(4))
    places = {"model": model, "grid": grid}
    code, err = answer(capsys, *(word.format(**places) for word in words))
    assert code == 2
    assert said.format(**places) in err


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60s", 60), ("2m", 120), ("1h", 3600), ("1.5h", 5400), ("90", 90), ("1e-2", 0.01)],
)
def test_a_duration(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "1d", "s", "1.2.3", "inf", "nan", "1e999"])
def test_no_duration(text):
    with pytest.raises(ArgumentTypeError, match="such as 90s, 10m, 2h, or seconds"):
        duration(text)


def test_choices_are_those_of_the_library():
    from eigenscape import topology
    from eigenscape.allocation._request import GROUPINGS, WEIGHTS
    from eigenscape.cli._diagnose import VARIANTS
    from eigenscape.diagnosis._shapes import SHAPES
    from eigenscape.landscape.grid._direction_scale import NORMALIZATIONS
    from eigenscape.landscape.grid._directions import UNITS
    from eigenscape.zoo import PLANTED_FAULTS

    flags = {
        (name, action.dest): action.choices
        for name, parser in parsers()
        for action in parser._actions
        if action.option_strings and action.choices
    }
    assert flags["landscape", "unit"] == UNITS
    assert flags["landscape", "normalize"] == NORMALIZATIONS
    assert flags["landscape", "connectivity"] == flags["topology", "connectivity"]
    assert set(flags["topology", "connectivity"]) == set(topology.NEIGHBORHOODS)
    assert flags["allocate", "group"] == GROUPINGS
    assert flags["allocate", "weights"] == WEIGHTS
    assert set(VARIANTS) == {variant for _, variant in SHAPES}
    assert set(flags["checkup", "fault"]) == set(PLANTED_FAULTS)


# ---- completion, in real shells


def scripted(shell, capsys, tmp_path):
    assert main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    path = tmp_path / f"completion.{shell}"
    path.write_text(out)
    return path


BASH = """
source {script}
COMP_WORDS=({words}); COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
_shtab_eigenscape 2>/dev/null
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_completion_in_bash(capsys, tmp_path):
    script = scripted("bash", capsys, tmp_path)

    def completed(words):
        text = BASH.format(script=script, words=words)
        done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert completed("eigenscape spe") == ["spectra"]
    assert completed("eigenscape patch re") == ["revert"]
    assert completed("eigenscape landscape --unit rel") == ["relative"]
    assert completed("eigenscape spectra x --xm") == ["--xmin"]  # an option that needs torch
    (tmp_path / "model.safetensors").touch()
    assert completed(f"eigenscape spectra {tmp_path}/mod") == [f"{tmp_path}/model.safetensors"]


ZSH = """
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; fpath=({folder} $fpath); autoload -Uz compinit; compinit -D -u; print rea""dy'
while zpty -r shell line; do [[ $line == *ready* ]] && break; done
zpty -w -n shell {words}$'\\t'
for (( i = 0; i < 100; i++ )); do
  sleep .1
  zpty -rt shell line && print -r -- $line && [[ $line == *{found}* ]] && break
done
"""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("zsh") is None, reason="needs zsh")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("eigenscape spe", "spectra"),
        ("eigenscape patch re", "revert"),
        ("eigenscape landscape --unit rel", "relative"),
    ],
)
def test_completion_in_zsh(words, found, capsys, tmp_path):
    scripted("zsh", capsys, tmp_path).rename(tmp_path / "_eigenscape")  # where its help says
    text = ZSH.format(folder=tmp_path, words=f"'{words}'", found=found)
    done = subprocess.run(["zsh", "-f", "-c", text], capture_output=True, text=True, timeout=60)
    assert found in done.stdout
