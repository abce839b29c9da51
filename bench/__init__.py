"""Measurements: one command each, one JSON object of named figures on standard output."""
