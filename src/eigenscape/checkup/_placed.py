"""Where the layers lie among those of real networks."""

from __future__ import annotations

from eigenscape.errors import InputError
from eigenscape.results import Finding
from eigenscape.spectra import Placement, Reference, SpectraResult

#: The heading of its section on the page.
AMONG = "The layers among those of real, trained networks"


def placed(result: SpectraResult, table: Reference) -> tuple[Placement | None, tuple[Finding, ...]]:
    """Return the layers among the reference, and a finding where some lie at the ends of it.

    None where no layer has enough reference layers of its kind, or where the layers were measured
    with options of their own, which a finding then says.
    """
    try:
        placement = table.compare(result)
    except InputError as error:
        why = str(error).rstrip(".")
        text = f"Not compared with the layers of real networks: {why}."
        return None, (Finding(text=text, basis="description"),)
    if not placement.compared:
        return None, ()
    ends = any(place.is_extreme for place in placement.compared if place.metric == "alpha_excess")
    said = Finding(text=placement.sentence(), basis="description")
    return placement, (said,) if ends else ()
