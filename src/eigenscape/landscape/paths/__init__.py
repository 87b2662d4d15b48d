"""Paths: curves of low loss between models."""
