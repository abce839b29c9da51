"""Joins language models and storage into Inkglass."""
