"""Measuring: the metrics of one network or of many, under one protocol."""

from eigenscape.diagnosis.measuring._measure import Measurement as Measurement
from eigenscape.diagnosis.measuring._measure import measure as measure
from eigenscape.diagnosis.measuring._measure import models_and_data as models_and_data
from eigenscape.diagnosis.measuring._options import MeasureOptions as MeasureOptions

__all__ = ["MeasureOptions", "Measurement", "measure", "models_and_data"]
