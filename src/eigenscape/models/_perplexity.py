"""The perplexity of a text: a result."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from eigenscape.errors import InputError
from eigenscape.results import Result

if TYPE_CHECKING:
    import pandas as pd

_NORMAL_95 = 1.959963984540054
_LARGEST = 709.0  # whose exponential is a float


@dataclass(frozen=True, kw_only=True)
class Perplexity(Result):
    """How well a model predicts the tokens of a text.

    Args:
        window_nll: of each window, the mean of ``-log p(token | those before it)``, in nats.
        window_tokens: of each window, how many tokens are scored.
        model: the class of the model.
        text: where the tokens come from.
        data_hash: of ids and of what is scored.

    >>> from eigenscape.results import Environment
    >>> found = Perplexity(
    ...     window_nll=(1.0, 3.0), window_tokens=(30, 10), model="GPT", text="ids", data_hash="",
    ...     environment=Environment.capture(),
    ... )
    >>> found.nll, round(found.value, 3), found.tokens
    (1.5, 4.482, 40)
    """

    schema: ClassVar[str] = "eigenscape.perplexity/1"
    also_written: ClassVar[tuple[str, ...]] = (
        "value",
        "interval",
        "nll",
        "standard_error",
        "tokens",
    )
    window_nll: tuple[float, ...]
    window_tokens: tuple[int, ...]
    model: str
    text: str
    data_hash: str

    def __post_init__(self) -> None:
        if (
            len(self.window_nll) != len(self.window_tokens)
            or min(self.window_tokens, default=0) < 1
        ):
            raise InputError(
                f"{len(self.window_nll)} windows have token counts {self.window_tokens!r:.80}; "
                "expected one count of 1 or more for each of one or more windows"
            )

    @property
    def tokens(self) -> int:
        """How many tokens are scored."""
        return sum(self.window_tokens)

    @property
    def nll(self) -> float:
        """The mean over all scored tokens, in nats."""
        return float(np.average(self.window_nll, weights=self.window_tokens))

    @property
    def standard_error(self) -> float | None:
        """Of ``nll``, from the spread over windows, taken as independent; None for one window.

        That of a ratio of sums (Cochran, "Sampling Techniques", 1977, section 6.4): windows may
        score different numbers of tokens.
        """
        count = len(self.window_nll)
        if count < 2:
            return None
        sizes = np.asarray(self.window_tokens, dtype=np.float64)
        spread = float((((np.asarray(self.window_nll) - self.nll) * sizes) ** 2).sum())
        return math.sqrt(spread * count / (count - 1)) / self.tokens

    @property
    def value(self) -> float:
        """The perplexity, ``exp(nll)``; infinite on overflow."""
        return _exp(self.nll)

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the perplexity, by the normal law for ``nll``; None for one window."""
        if self.standard_error is None:
            return None
        half = _NORMAL_95 * self.standard_error
        return _exp(self.nll - half), _exp(self.nll + half)

    def frame(self) -> pd.DataFrame:
        """Return a row for each window."""
        import pandas as pd

        return pd.DataFrame(
            {
                "window": range(len(self.window_nll)),
                "tokens": self.window_tokens,
                "nll": self.window_nll,
                "perplexity": [_exp(value) for value in self.window_nll],
            }
        )


def _exp(value: float) -> float:
    return math.exp(value) if value < _LARGEST else math.inf
