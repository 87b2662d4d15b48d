"""The mutation run: what it changes, what it leaves alone, and that a change is seen."""

import pytest

from benchmarks._mutants_places import places

MEAN = b'''def mean(values: "list[1 + 1]") -> "2":
    """The mean, 1 + 1 of it."""
    return sum(values) / len(values)
'''


def changed(source):
    return [
        (mutant.operator, *mutant.lines(source))
        for variants in places(source, "x.py")
        for mutant in variants
    ]


def test_a_mutant_of_a_three_line_module_is_made_and_caught():
    (mutant,) = (m for variants in places(MEAN, "mean.py") for m in variants)
    assert (mutant.file, mutant.operator, mutant.first, mutant.last) == ("mean.py", "sign", 3, 3)
    for source, answer in ((MEAN, 2.0), (mutant.applied(MEAN), 8.0)):
        module = {}
        exec(source, module)
        assert module["mean"]([1.0, 3.0]) == answer


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (b"a = b < c\n", [("comparison", "a = b < c", "a = (b <= c)")]),
        (b"a = b in c\n", []),
        (b"a = -b\n", [("sign", "a = -b", "a = (b)")]),
        (
            b"a = b * (c / d)\n",
            [
                ("sign", "a = b * (c / d)", "a = (b / (c / d))"),
                ("sign", "a = b * (c / d)", "a = b * ((c * d))"),
            ],
        ),
        (b"a[3]\n", [("integer", "a[3]", "a[(4)]"), ("integer", "a[3]", "a[(2)]")]),
        (
            b"a = b + c\n",
            [
                ("sign", "a = b + c", "a = (b - c)"),
                ("term", "a = b + c", "a = (b)"),
                ("term", "a = b + c", "a = (c)"),
            ],
        ),
        (
            b"a = b and c\n",
            [("term", "a = b and c", "a = (c)"), ("term", "a = b and c", "a = (b)")],
        ),
        (b"a = 1.5\n", [("constant", "a = 1.5", "a = (3.0)")]),
        (b"a = True\n", []),
        (b"raise Error(1 + 2)\n", []),
        (b"a = f'{b + 1} of {c:.2f}' + d + 'e'\n", []),
        (b"warnings.warn('x' * 3)\n", []),
        (b"a = [b] + c\n", []),
        (
            "a = 'é' if b == c else d\n".encode(),
            [("comparison", "a = 'é' if b == c else d", "a = 'é' if (b != c) else d")],
        ),
    ],
)
def test_each_operator_and_what_is_left_alone(source, expected):
    assert changed(source) == expected


def test_the_tests_of_a_condition_are_not_those_of_its_branches():
    body = b"    if a > 3:\n        return (a\n            + b)\n    return 4\n"
    source = b"X = 1\ndef f(a=2):\n" + body
    found = {m.text: (m.first, m.last) for variants in places(source) for m in variants}
    assert found["(0)"] == (0, 0)  # of the module: the tests of the whole file
    assert found["(1)"] == (3, 6)  # a default: those of the whole function
    assert found["(a >= 3)"] == (3, 3)
    assert found["(a - b)"] == (4, 5)
