"""One file, one way to get an endpoint that speaks the OpenAI chat-completions protocol."""
