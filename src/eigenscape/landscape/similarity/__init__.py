"""Similarity: what two models have in common."""
