"""The few failures of a model that a user can be told about, each with what to do next.

Every class has a `code`, under which the page finds its words in the user's language, and a `template`, the English
sentence. `params` fill both.
"""

from __future__ import annotations

from typing import ClassVar


class ModelError(Exception):
    """A failure of a model or its engine. `str()` is a whole English sentence with the next step."""

    code: ClassVar[str] = "model"
    template: ClassVar[str] = "The model failed: {detail}. Look at the engine's log and try again."

    def __init__(self, **params: str | int | float) -> None:
        self.params = params
        super().__init__(self.template.format(**params))


class ModelFileMissing(ModelError):
    code = "model_file_missing"
    template = "There is no model at {path}. Check the path, or choose another model."


class ModelFileInvalid(ModelError):
    code = "model_file_invalid"
    template = "{path} is not a model that can be read here: {reason}. Get the file again, or choose another model."


class ModelTooLarge(ModelError):
    code = "model_too_large"
    template = (
        "{name} needs about {needed_gb} GB of memory and {available_gb} GB are free. "
        "Close other programs, take a smaller quantization, or a smaller context."
    )


class EngineStartFailed(ModelError):
    code = "engine_start_failed"
    template = "The engine could not start {name}: {detail}. The engine's log says more."


class EngineCrashed(ModelError):
    code = "engine_crashed"
    template = "The engine stopped unexpectedly while writing. What it wrote is kept; it is being restarted."


class NoModel(ModelError):
    code = "no_model"
    template = "No model is loaded. Choose one first."


class ContextOverflow(ModelError):
    """`over` tokens too many for a window of `limit` tokens; `needed` includes the room for the reply."""

    code = "context_overflow"
    template = (
        "This is {over} tokens too long: it needs {needed} and the model's window holds {limit}. "
        "Shorten it, or choose a model with a larger window."
    )


class EndpointUnreachable(ModelError):
    code = "endpoint_unreachable"
    template = "Nothing answers at {url}. Start the server there, or check the address."


class EndpointTimeout(ModelError):
    code = "endpoint_timeout"
    template = "{url} did not answer within {seconds} s. Try again, or check the server."


class EndpointUnauthorised(ModelError):
    code = "endpoint_unauthorised"
    template = "{url} refused the key. Set the right key in the environment variable INKGLASS_REMOTE_KEY and restart."


class EndpointRateLimited(ModelError):
    code = "endpoint_rate_limited"
    template = "{url} is refusing requests for now (too many). Wait {seconds} s and try again."


class EndpointFailed(ModelError):
    code = "endpoint_failed"
    template = "{url} answered with an error ({status}): {detail}. Try again, or look at that server."


class StreamBroken(ModelError):
    code = "stream_broken"
    template = "The connection to {url} broke in mid-reply. What came is kept; press Continue to go on."


def all_model_errors() -> tuple[type[ModelError], ...]:
    """Every class of this module, for the page's table of words and its test."""
    return (ModelError, *ModelError.__subclasses__())
