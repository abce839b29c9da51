"""The conversation manager: send, stop, retry, edit, branch, continue, title."""
