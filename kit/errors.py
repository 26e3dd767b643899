"""Six families of errors, named by what the caller can do.

A concrete error lives beside the code that raises it and keeps its facts as
attributes; its family is what other rooms catch.
"""


class KitError(Exception):
    """Anything that Layerlab itself reports. Its text is for people."""


class NotFound(KitError):
    """The named thing does not exist: check the name, make it, or pull it."""


class Invalid(KitError):
    """The input can't be used as it is: change it."""


class Conflict(KitError):
    """Something is in the way (a name in use, a running container): move it first."""


class Denied(KitError):
    """The other side knows us too little, or says no: log in, or ask for the right."""


class Unavailable(KitError):
    """A part that is needed does not answer or is not installed: start it, or try later."""


class StepFailed(KitError):
    """The user's own command ran and failed: read its output."""
