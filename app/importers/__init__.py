"""One file, one import format: pure functions that give records."""
