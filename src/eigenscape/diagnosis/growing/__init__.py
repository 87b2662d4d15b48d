"""Populations: reference networks on the user's own data, of the user's own family of models."""
