"""Measuring: the metrics of one network or of many, under one protocol."""
