"""Rank correlations with intervals."""

from eigenscape.stats import RankCorrelation as RankCorrelation
from eigenscape.stats import rank_correlation as rank_correlation
