"""Topology: samples of a function in; merge trees, persistence and distances out.

Knows nothing of networks: arrays, points and graphs.

Trees
    :func:`merge_tree`, :func:`merge_tree_of_points`, :func:`merge_tree_of_graph` (each a
    :class:`MergeTree`), :data:`Neighborhood`, :data:`NEIGHBORHOODS`, :func:`suggested_threshold`.
Numbers
    :class:`PersistenceMetrics`, :class:`Basin`, :func:`betti0_curve`, :func:`counts_above`.
Distances
    :func:`bottleneck_distance`, :func:`wasserstein_distance`, :func:`distance_matrix`.
Pictures
    :func:`landscape_profile` (a :class:`Profile`), :func:`draw_profile`, :func:`draw_profiles`,
    :func:`draw_topology`, :func:`draw_contour`, :func:`draw_persistence_diagram`,
    :func:`draw_barcode`, :func:`draw_betti_curve`, :func:`draw_merge_tree`.
Files
    :func:`read_grid` (a :class:`Grid`), :func:`examine_topology` (a :class:`TopologyResult`),
    :func:`check_grid` (a :class:`GridReport` of :class:`Finding`), :func:`find_zigzag`
    (a :class:`ZigZag`), :func:`unzigzag`.
"""

from eigenscape.topology._basins import Basin as Basin
from eigenscape.topology._check_findings import Finding as Finding
from eigenscape.topology._check_grid import GridReport as GridReport
from eigenscape.topology._check_grid import check_grid as check_grid
from eigenscape.topology._check_zigzag import ZigZag as ZigZag
from eigenscape.topology._check_zigzag import find_zigzag as find_zigzag
from eigenscape.topology._check_zigzag import unzigzag as unzigzag
from eigenscape.topology._distance import bottleneck_distance as bottleneck_distance
from eigenscape.topology._distance import distance_matrix as distance_matrix
from eigenscape.topology._distance import wasserstein_distance as wasserstein_distance
from eigenscape.topology._draw_contour import draw_contour as draw_contour
from eigenscape.topology._draw_diagram import draw_barcode as draw_barcode
from eigenscape.topology._draw_diagram import draw_betti_curve as draw_betti_curve
from eigenscape.topology._draw_diagram import draw_merge_tree as draw_merge_tree
from eigenscape.topology._draw_diagram import draw_persistence_diagram as draw_persistence_diagram
from eigenscape.topology._draw_profile import draw_profile as draw_profile
from eigenscape.topology._draw_profile import draw_profiles as draw_profiles
from eigenscape.topology._draw_topology import draw_topology as draw_topology
from eigenscape.topology._graph import NEIGHBORHOODS as NEIGHBORHOODS
from eigenscape.topology._graph import Neighborhood as Neighborhood
from eigenscape.topology._grid import Grid as Grid
from eigenscape.topology._merge import merge_tree as merge_tree
from eigenscape.topology._merge import merge_tree_of_graph as merge_tree_of_graph
from eigenscape.topology._merge import merge_tree_of_points as merge_tree_of_points
from eigenscape.topology._metrics import PersistenceMetrics as PersistenceMetrics
from eigenscape.topology._metrics import betti0_curve as betti0_curve
from eigenscape.topology._metrics import counts_above as counts_above
from eigenscape.topology._profile import Profile as Profile
from eigenscape.topology._profile import landscape_profile as landscape_profile
from eigenscape.topology._read_grid import read_grid as read_grid
from eigenscape.topology._result import TopologyResult as TopologyResult
from eigenscape.topology._result import examine_topology as examine_topology
from eigenscape.topology._simplify import suggested_threshold as suggested_threshold
from eigenscape.topology._tree import MergeTree as MergeTree

__all__ = [
    "NEIGHBORHOODS",
    "Basin",
    "Finding",
    "Grid",
    "GridReport",
    "MergeTree",
    "Neighborhood",
    "PersistenceMetrics",
    "Profile",
    "TopologyResult",
    "ZigZag",
    "betti0_curve",
    "bottleneck_distance",
    "check_grid",
    "counts_above",
    "distance_matrix",
    "draw_barcode",
    "draw_betti_curve",
    "draw_contour",
    "draw_merge_tree",
    "draw_persistence_diagram",
    "draw_profile",
    "draw_profiles",
    "draw_topology",
    "examine_topology",
    "find_zigzag",
    "landscape_profile",
    "merge_tree",
    "merge_tree_of_graph",
    "merge_tree_of_points",
    "read_grid",
    "suggested_threshold",
    "unzigzag",
    "wasserstein_distance",
]
