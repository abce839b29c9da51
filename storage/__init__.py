"""The truth: what was written, kept in SQLite. Knows neither the app nor the models."""
