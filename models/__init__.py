"""Language models and nothing else: knows neither the app nor the storage."""
