"""Fetching an image from the registry that its name begins with: ``kit.pull``.

As with a push, a registry of this machine is reached through a wire, so that the requests can be shown. What comes
through it gets its own name by a second pull, for which nothing has to be fetched any more.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from kit.errors import Denied, Invalid, NotFound, Unavailable
from kit.lab.asking import asking
from kit.lab.connect import Lab, connect
from kit.lab.display import Live
from kit.lab.ledger import note
from kit.lab.push import NotMoved, blob_state, find_login, is_refused
from kit.lab.wire import is_watched, wire_to
from kit.oci.reference import Reference, parse_reference
from kit.views.models.wire import BlobState, PullCard

_LAYER = re.compile(r"[0-9a-f]{12}")
"""How an engine calls a layer in its messages."""


class NotPulled(NotMoved):
    """The image is not here. The text holds the engine's words, and what they mean."""

    deed = "pulled"


class PullDenied(NotPulled, Denied):
    """The registry does not know us, or does not show us this."""


class PullFailed(NotPulled, Unavailable):
    """The registry does not have it, or does not answer."""


def pull(reference: str, *, lab: Lab | None = None) -> PullCard:
    """Fetch what a registry has under a name, with a tag or with a digest; layers that are here are not fetched.

    Raises:
        PullDenied: log in first (``kit.login``). PullFailed: the registry has nothing of that name, or is not there.
    """
    lab = lab or connect()
    name = parse_reference(reference).with_default_tag()
    watched = is_watched(lab.docker_host, name.registry)
    card = _watched(lab, name) if watched else _fetched(lab, name, name)
    note(lab.home, name.familiar, card.image_id)
    return card


def _watched(lab: Lab, name: Reference) -> PullCard:
    wire = wire_to(name.registry)
    since = wire.now()
    alias = Reference(name.repository, wire.name, name.tag, name.digest)
    seen = _fetched(lab, name, alias)
    rows = wire.rows(since)
    named = _fetched(lab, name, name)
    with asking(lab, name.familiar):
        lab.client.api.remove_image(alias.familiar, noprune=True)
    return PullCard(name.familiar, seen.blobs, named.image_id, rows)


def _fetched(lab: Lab, name: Reference, under: Reference) -> PullCard:
    blobs: dict[str, BlobState] = {}
    with Live() as live:
        for message in _messages(lab, name, under):
            if message.get("error"):
                raise _failure(name, under, str(message["error"]))
            if _LAYER.fullmatch(str(message.get("id") or "")):
                blobs[message["id"]] = blob_state(message)
                live.show(PullCard(name.familiar, tuple(blobs.values())))
                live.line(f"{message['id']}: {message.get('status', '')}")
        live.vanish()
    with asking(lab, under.familiar):
        image_id = str(lab.client.api.inspect_image(under.familiar)["Id"])
    return PullCard(name.familiar, tuple(blobs.values()), image_id)


def _messages(lab: Lab, name: Reference, under: Reference) -> Iterator[Mapping[str, Any]]:
    login = find_login(lab, name.registry) or {}
    tag = str(under.digest) if under.digest else under.tag
    try:
        with asking(lab, name.familiar):
            yield from lab.client.api.pull(under.familiar_name, tag=tag, stream=True, decode=True, auth_config=login)
    except (Denied, Invalid, NotFound, Unavailable) as error:
        raise _failure(name, under, str(error)) from error


def _failure(name: Reference, under: Reference, said: str) -> NotPulled:
    said = said.replace(under.registry, name.registry).strip().rstrip(".")
    return (PullDenied if is_refused(said) else PullFailed)(name.familiar, said)
