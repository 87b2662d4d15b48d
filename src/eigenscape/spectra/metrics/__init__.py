"""Metrics of one spectrum: pure functions of its eigenvalues, and the table that they fill."""

from eigenscape.spectra.metrics import _dispersion, _table

#: Registers the metrics of this package.
_OWN = (_table, _dispersion)
