"""Topology: samples of a function in; merge trees, persistence and distances out.

Knows nothing of networks: arrays and graphs.

Trees
    :func:`merge_tree`, :func:`merge_tree_of_graph` (each a :class:`MergeTree`),
    :data:`Neighborhood`, :data:`NEIGHBORHOODS`, :func:`suggested_threshold`.
Distances
    :func:`bottleneck_distance`, :func:`wasserstein_distance`.
Pictures
    :func:`landscape_profile` (a :class:`Profile`), :func:`draw_profile`, :func:`draw_profiles`,
    :func:`draw_contour`.
Files
    :func:`read_grid`, :func:`examine_topology` (a :class:`TopologyResult`), :func:`check_grid`
    (a :class:`GridReport`), :func:`unzigzag`.
"""

from eigenscape.topology._check_grid import GridReport as GridReport
from eigenscape.topology._check_grid import check_grid as check_grid
from eigenscape.topology._check_zigzag import unzigzag as unzigzag
from eigenscape.topology._distance import bottleneck_distance as bottleneck_distance
from eigenscape.topology._distance import wasserstein_distance as wasserstein_distance
from eigenscape.topology._draw_contour import draw_contour as draw_contour
from eigenscape.topology._draw_profile import draw_profile as draw_profile
from eigenscape.topology._draw_profile import draw_profiles as draw_profiles
from eigenscape.topology._graph import NEIGHBORHOODS as NEIGHBORHOODS
from eigenscape.topology._graph import Neighborhood as Neighborhood
from eigenscape.topology._merge import merge_tree as merge_tree
from eigenscape.topology._merge import merge_tree_of_graph as merge_tree_of_graph
from eigenscape.topology._profile import Profile as Profile
from eigenscape.topology._profile import landscape_profile as landscape_profile
from eigenscape.topology._read_grid import read_grid as read_grid
from eigenscape.topology._result import TopologyResult as TopologyResult
from eigenscape.topology._result import examine_topology as examine_topology
from eigenscape.topology._simplify import suggested_threshold as suggested_threshold
from eigenscape.topology._tree import MergeTree as MergeTree

__all__ = [
    "NEIGHBORHOODS",
    "GridReport",
    "MergeTree",
    "Neighborhood",
    "Profile",
    "TopologyResult",
    "bottleneck_distance",
    "check_grid",
    "draw_contour",
    "draw_profile",
    "draw_profiles",
    "examine_topology",
    "landscape_profile",
    "merge_tree",
    "merge_tree_of_graph",
    "read_grid",
    "suggested_threshold",
    "unzigzag",
    "wasserstein_distance",
]
