"""The child processes that the local runtimes start. Only these load native engines and torch."""
