"""The distribution-spec: the dozen requests that push and pull are made of, and how to read the answers.

``/v2/`` says that a registry is there; manifests have names (tags) and digests, blobs only digests; a blob is sent
in an upload session: POST opens it, PATCH carries bytes, PUT with the digest closes it. A POST with ``mount`` and
``from`` takes a blob over from a neighbouring repository, without sending it.

Source: OCI distribution-spec 1.1, "Endpoints"; Docker's handling of refusals (registry/client/errors.go).
"""

import json
import re
from dataclasses import dataclass
from urllib.parse import quote

from kit.engine.registry.auth import find_challenge
from kit.engine.registry.errors import (
    AccessDenied,
    BadAnswer,
    Rejected,
    ServerTrouble,
    TooManyRequests,
    Unknown,
)
from kit.engine.registry.messages import Answer, Ask, resolved, with_query
from kit.errors import KitError
from kit.oci.descriptor import INDEXES, MANIFESTS
from kit.oci.digest import Digest, digest_of, parse_digest
from kit.oci.manifest import Manifest

LARGEST_DOCUMENT = 4 << 20
"""Bytes. distribution-spec, "Pushing Manifests": registries should take up to 4 MiB; no client needs more."""

USUAL_WORDS = {
    "UNAUTHORIZED": "authentication required",
    "DENIED": "requested access to the resource is denied",
    "NAME_UNKNOWN": "repository name not known to registry",
    "NAME_INVALID": "invalid repository name",
    "MANIFEST_UNKNOWN": "manifest unknown",
    "BLOB_UNKNOWN": "blob unknown to registry",
    "UNSUPPORTED": "The operation is unsupported.",
}
_BY_STATUS = {401: "UNAUTHORIZED", 403: "DENIED", 404: "NAME_UNKNOWN", 405: "UNSUPPORTED"}
_OLD_MANIFESTS = "application/vnd.docker.distribution.manifest.v1+"
ACCEPT = ", ".join((*MANIFESTS, *INDEXES))


@dataclass(frozen=True)
class Document:
    """A manifest or an index as the registry sent it. ``digest`` is over ``raw``, and was checked."""

    raw: bytes
    media_type: str
    digest: Digest


def ask_ping(base: str) -> Ask:
    """Is this a registry?"""
    return Ask("GET", f"{base}/v2/")


def ask_manifest(base: str, repository: str, name: str) -> Ask:
    """The manifest or index under a tag or a digest."""
    return Ask("GET", f"{base}/v2/{repository}/manifests/{quote(name, safe=':')}", {"Accept": ACCEPT})


def ask_put_manifest(base: str, repository: str, name: str, manifest: Manifest) -> Ask:
    """Give a manifest a name. Every blob in it must be there already."""
    url = f"{base}/v2/{repository}/manifests/{quote(name, safe=':')}"
    return Ask("PUT", url, {"Content-Type": manifest.media_type}, manifest.raw)


def ask_has_blob(base: str, repository: str, digest: Digest) -> Ask:
    """Is the blob in *this* repository?"""
    return Ask("HEAD", f"{base}/v2/{repository}/blobs/{digest}")


def ask_blob(base: str, repository: str, digest: Digest, start: int = 0) -> Ask:
    """The blob's bytes, from ``start`` on."""
    headers = {"Range": f"bytes={start}-"} if start else {}
    return Ask("GET", f"{base}/v2/{repository}/blobs/{digest}", headers)


def ask_upload(base: str, repository: str) -> Ask:
    """Open an upload session."""
    return Ask("POST", f"{base}/v2/{repository}/blobs/uploads/")


def ask_mount(base: str, repository: str, digest: Digest, source: str) -> Ask:
    """Take the blob over from repository ``source``; opens a session instead when that can't be."""
    return Ask("POST", with_query(f"{base}/v2/{repository}/blobs/uploads/", ("from", source), ("mount", digest)))


def ask_send(session: str, size: int, start: int = 0) -> Ask:
    """Send a blob's bytes from ``start`` to ``size`` to an upload session; they travel beside the Ask."""
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size - start)}
    return Ask("PATCH", session, headers | ({"Content-Range": f"{start}-{size - 1}"} if start else {}))


def ask_progress(session: str) -> Ask:
    """How far has this upload session come?"""
    return Ask("GET", session)


def ask_finish(session: str, digest: Digest) -> Ask:
    """Close an upload session: what was sent is the blob ``digest``."""
    return Ask("PUT", with_query(session, ("digest", digest)))


def ask_tags(base: str, repository: str) -> Ask:
    """The first page of a repository's tags."""
    return Ask("GET", f"{base}/v2/{repository}/tags/list")


def read_document(answer: Answer, repository: str, wanted: Digest | None) -> Document:
    """The manifest or index in a good answer; ``wanted`` when it was asked for by digest.

    Raises:
        BadAnswer: other bytes than were asked for, or a format that is no more.
    """
    media_type = answer.header("content-type").partition(";")[0].strip()
    if media_type.startswith(_OLD_MANIFESTS):
        raise BadAnswer(
            f"{repository} holds an image in Docker's old format (schema 1), which engines no longer read: "
            "pull it with an engine of before 2024 and push it anew, or ask its owner to"
        )
    got = digest_of(answer.body)
    named = answer.header("docker-content-digest")
    expected = wanted or (named if named.startswith("sha256:") else "")
    if expected and expected != got:
        raise BadAnswer(f"manifest verification failed for digest {expected}: the bytes sent hash to {got}")
    return Document(answer.body, media_type, got)


def read_session(ask: Ask, answer: Answer) -> str:
    """The address where an upload goes on."""
    location = answer.header("location")
    if not location:
        raise BadAnswer(f"the registry opened an upload for {ask.url} but did not say where (no Location)")
    return resolved(ask.url, location)


def read_progress(answer: Answer) -> int:
    """How many bytes an upload session has; 0 when it does not say, or is no more."""
    found = re.fullmatch(r"(?:bytes=)?0-(\d{1,18})", answer.header("range"))
    return int(found[1]) + 1 if found and answer.status in (202, 204) else 0


def read_tags(ask: Ask, answer: Answer) -> tuple[list[str], Ask | None]:
    """One page of tags, and the request for the next one."""
    try:
        tags = json.loads(answer.body)["tags"] or []
    except (ValueError, KeyError, TypeError) as error:
        raise BadAnswer(f"the list of tags from {ask.url} can't be read") from error
    link = re.match(r'<([^>]+)>\s*;\s*rel="?next"?', answer.header("link"))
    return [str(tag) for tag in tags], Ask("GET", resolved(ask.url, link[1])) if link else None


def check_stored(answer: Answer, manifest: Manifest) -> None:
    """The registry keeps what we sent, under its own digest."""
    named = answer.header("docker-content-digest")
    if named and parse_digest(named) != manifest.digest:
        raise BadAnswer(f"the registry stored the manifest as {named}, but what we sent is {manifest.digest}")


def refusal(ask: Ask, answer: Answer) -> KitError:
    """The error that an answer of 400 and above stands for."""
    code, message = _code_and_message(answer)
    if answer.status >= 500:
        return ServerTrouble(answer.status, message if code else "")
    if answer.status == 429 or code == "TOOMANYREQUESTS":
        return TooManyRequests(message or "the registry has had too many requests", answer.header("retry-after"))
    bearer = find_challenge(answer, "bearer")
    if answer.status == 401 and bearer and bearer.parameters.get("error") == "insufficient_scope":
        return AccessDenied("DENIED", USUAL_WORDS["DENIED"])
    code = code or _BY_STATUS.get(answer.status, "UNKNOWN")
    message = message or USUAL_WORDS.get(code) or f"{ask.method} {ask.url} was answered with {answer.status}"
    if code in ("UNAUTHORIZED", "DENIED"):
        return AccessDenied(code, message)
    if code in ("NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN") or answer.status == 404:
        return Unknown(code, message)
    return Rejected(answer.status, code, message)


def _code_and_message(answer: Answer) -> tuple[str, str]:
    """What the body of a refusal says; ("", "") when it says nothing readable. A token server says it otherwise."""
    try:
        data = json.loads(answer.body)
    except ValueError:
        return "", ""
    if not isinstance(data, dict):
        return "", ""
    listed = data.get("errors")
    first = listed[0] if isinstance(listed, list) and listed else {}
    if not isinstance(first, dict) or not first:
        return "", _short(data.get("details") or data.get("message"))
    return _short(first.get("code")), _short(first.get("message"))


def _short(text: object) -> str:
    """Foreign words on one line, and not more of them than a person reads."""
    return " ".join(text.split())[:500] if isinstance(text, str) else ""
