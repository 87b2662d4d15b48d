"""Ranks, intervals and paired tests: wrappers around scipy with one treatment of missing values.

Every interval is at 95 % unless ``level`` says otherwise; values that are not finite are left out,
of pairs both. scipy is imported where it is used: it costs 0.5 s.
"""

from eigenscape.stats._intervals import Interval as Interval
from eigenscape.stats._intervals import bootstrap as bootstrap
from eigenscape.stats._intervals import interval as interval
from eigenscape.stats._intervals import share as share
from eigenscape.stats._paired import PairedTest as PairedTest
from eigenscape.stats._paired import holm as holm
from eigenscape.stats._paired import paired_test as paired_test
from eigenscape.stats._precision import Precision as Precision
from eigenscape.stats._relations import RankCorrelation as RankCorrelation
from eigenscape.stats._relations import fit_line as fit_line
from eigenscape.stats._relations import rank_correlation as rank_correlation
from eigenscape.stats._relations import ranks as ranks

__all__ = [
    "Interval",
    "PairedTest",
    "Precision",
    "RankCorrelation",
    "bootstrap",
    "fit_line",
    "holm",
    "interval",
    "paired_test",
    "rank_correlation",
    "ranks",
    "share",
]
