"""Curvature: eigenpairs, trace and density of the Hessian."""
