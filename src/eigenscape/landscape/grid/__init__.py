"""Grids: the loss around a model along directions."""
