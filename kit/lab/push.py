"""Pushing an image to the registry that its name begins with: ``kit.push``, ``kit.login``.

A push to a registry of this machine goes through a wire (``kit.lab.wire``), so that the requests can be shown.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kit.errors import Denied, Invalid, KitError, NotFound, Unavailable
from kit.lab.asking import asking
from kit.lab.connect import Lab, connect
from kit.lab.display import Live
from kit.lab.hints import find_hint
from kit.lab.images import Image, NoSuchImage
from kit.lab.ledger import PUSHED, note
from kit.lab.logins import find_known
from kit.lab.names import name_of
from kit.lab.wire import Wire, is_watched, wire_to
from kit.oci.reference import Reference, parse_reference
from kit.views.models.wire import BlobState, PushCard

_DENIED = re.compile(r"denied|unauthorized|no basic auth|authentication required", re.IGNORECASE)
_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")


class NotMoved(KitError):
    """An image is not where it was to go. The text holds the engine's words, and what they mean."""

    deed = "moved"

    def __init__(self, reference: str, said: str) -> None:
        hint = find_hint(said)
        meaning = f" What it means: {hint.meaning}. {' '.join(hint.steps)}".rstrip() if hint.meaning else ""
        super().__init__(f"{reference} was not {self.deed}: {said}.{meaning}")
        self.reference, self.said = reference, said


class NotPushed(NotMoved):
    """The registry does not have the image."""

    deed = "pushed"


class PushDenied(NotPushed, Denied):
    """The registry knows us too little, or says no."""


class PushFailed(NotPushed, Unavailable):
    """The registry does not answer, or refuses what it got."""


def push(reference: "str | Image", *, lab: Lab | None = None) -> PushCard:
    """Send the image to the registry that its name begins with; what is there already is not sent again.

    Raises:
        NoSuchImage: no image here has this name: give it one with ``kit.tag``.
        PushDenied: log in first (``kit.login``). PushFailed: the registry does not take it.
    """
    lab = lab or connect()
    name = parse_reference(name_of(reference)).with_default_tag()
    if name.digest:
        raise Invalid(f"{name.familiar!r} is pushed under a tag, not under a digest")
    with asking(lab, name.familiar):
        image_id = lab.client.api.inspect_image(name.familiar)["Id"]
    if is_watched(lab.docker_host, name.registry):
        note(lab.home, PUSHED + name.repository, image_id)
        done = _watched(lab, name, image_id)
    else:
        done = _sent(lab, name, name, None)
    note(lab.home, name.familiar, image_id)
    return done


def login(registry: str, user: str, password: str, *, lab: Lab | None = None) -> str:
    """Tell the engine who you are at a registry, for as long as this notebook lives; what the registry says.

    Raises:
        Denied: it does not know this user and password. Unavailable: it does not answer.
    """
    lab = lab or connect()
    try:
        with asking(lab):
            answer = lab.client.login(user, password, registry=registry, reauth=True)
    except Unavailable as error:  # Docker Engine calls a wrong password an error of its own
        if "401" in str(error):
            raise Denied(str(error)) from error
        raise
    return str(answer.get("Status") or "Login Succeeded")


def find_login(lab: Lab, registry: str) -> Mapping[str, str] | None:
    """What the notebook or Docker's configuration holds for a registry; None for nothing."""
    return find_known(lab.client.api._auth_configs, registry)


def _watched(lab: Lab, name: Reference, image_id: str) -> PushCard:
    """A push through the wire, under a second name that is gone afterwards."""
    wire = wire_to(name.registry)
    since = wire.now()
    alias = Reference(name.repository, wire.name, name.tag)
    with asking(lab, name.familiar):
        lab.client.api.tag(image_id, alias.familiar_name, alias.tag)
    try:
        return _sent(lab, name, alias, (wire, since))
    finally:
        with asking(lab, name.familiar):
            lab.client.api.remove_image(alias.familiar, noprune=True)


def _sent(lab: Lab, name: Reference, under: Reference, watched: tuple[Wire, float] | None) -> PushCard:
    blobs: dict[str, BlobState] = {}
    digest = ""
    with Live() as live:
        for message in _messages(lab, name, under):
            if message.get("error"):
                raise _failure(name.familiar, str(message["error"]))
            digest = _digest_in(message) or digest
            if message.get("id") and message["id"] != under.tag:
                blobs[message["id"]] = blob_state(message)
                live.show(PushCard(name.familiar, tuple(blobs.values())))
                live.line(f"{message['id']}: {message.get('status', '')}")
        live.vanish()
        rows = watched[0].rows(watched[1]) if watched else ()
        return PushCard(name.familiar, tuple(blobs.values()), digest or "(the engine did not tell)", rows)


def _messages(lab: Lab, name: Reference, under: Reference) -> Iterator[Mapping[str, Any]]:
    try:
        with asking(lab, name.familiar):
            yield from lab.client.api.push(
                under.familiar_name,
                under.tag,
                stream=True,
                decode=True,
                auth_config=find_login(lab, name.registry) or {},
            )
    except NoSuchImage:
        raise
    except (Denied, Invalid, NotFound) as error:
        raise _failure(name.familiar, str(error)) from error


def _failure(name: str, said: str) -> NotPushed:
    return (PushDenied if is_refused(said) else PushFailed)(name, said.strip().rstrip("."))


def is_refused(said: str) -> bool:
    """Whether an engine's words tell that a registry said no to who we are."""
    return bool(_DENIED.search(said))


def _digest_in(message: Mapping[str, Any]) -> str:
    named = (message.get("aux") or {}).get("Digest") or ""
    found = _DIGEST.search(str(message.get("status") or ""))
    return str(named) or (found[1] if found else "")


def blob_state(message: Mapping[str, Any]) -> BlobState:
    """How far the layer is that a message of the engine's tells of."""
    detail = message.get("progressDetail") or {}
    return BlobState(
        str(message["id"]),
        str(message.get("status", "")),
        int(detail.get("current") or 0),
        int(detail.get("total") or 0),
    )
