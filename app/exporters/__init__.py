"""One file, one export format: pure functions over records."""
