"""What each request of a push or a pull means, in one sentence.

Source: OCI distribution-spec 1.1, "Endpoints" and the chapters on pushing and pulling.
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

TELLING = ("digest", "mount", "from", "n", "last")
"""Query words that a reader should see; the others are long and say nothing (an upload's ``_state``)."""


class Words(NamedTuple):
    """``kind`` is one of check, auth, upload, mount, finish, manifest, download, list."""

    kind: str
    meaning: str


_REFUSALS = {
    401: Words("auth", "Who are you? Log in, or show a token."),
    403: Words("auth", "You are known, and this is not yours to do."),
    429: Words("auth", "Too many requests: the registry asks for a rest."),
}
_PING, _BLOB, _OPEN, _SESSION = (
    r"/v2/",
    r"/v2/.+/blobs/sha256:\w+",
    r"/v2/.+/blobs/uploads/",
    r"/v2/.+/blobs/uploads/.+",
)
_MANIFEST, _TAGS = r"/v2/.+/manifests/.+", r"/v2/.+/tags/list"
_TABLE = {
    ("GET", _PING, 200): Words("check", "A registry is here."),
    ("HEAD", _BLOB, 200): Words("check", "This blob is already in this repository: there is nothing to send."),
    ("HEAD", _BLOB, 404): Words("check", "This blob is not in *this* repository."),
    ("GET", _BLOB, 200): Words("download", "The bytes of a blob."),
    ("GET", _BLOB, 206): Words("download", "The rest of a blob whose download broke off."),
    ("GET", _BLOB, 307): Words("download", "The bytes of this blob are fetched elsewhere."),
    ("GET", _BLOB, 404): Words("download", "This blob is not in this repository."),
    ("POST", _OPEN, 201): Words(
        "mount", "Mounted from {from}: the blob is in both repositories, and no byte was sent."
    ),
    ("POST", _OPEN, 202): Words("upload", "An upload session is open; the answer's Location says where to send."),
    ("PATCH", _SESSION, 202): Words("upload", "The bytes are in; nothing has a name yet."),
    ("PUT", _SESSION, 201): Words(
        "finish", "The registry hashed what it got: it is the blob that it was said to be."
    ),
    ("PUT", _SESSION, 400): Words("finish", "The registry hashed what it got: it is *not* what it was said to be."),
    ("DELETE", _SESSION, 204): Words("upload", "The upload session is given up."),
    ("HEAD", _MANIFEST, 200): Words("check", "This name exists; the answer says its digest."),
    ("HEAD", _MANIFEST, 404): Words("check", "Nothing has this name yet."),
    ("GET", _MANIFEST, 200): Words("manifest", "The list of blobs that make this image."),
    ("GET", _MANIFEST, 404): Words("manifest", "Nothing has this name."),
    ("PUT", _MANIFEST, 201): Words("manifest", "All blobs are there, so the image now has a name here."),
    ("PUT", _MANIFEST, 400): Words(
        "manifest", "The registry does not take this manifest: a blob is missing, or it is wrong."
    ),
    ("DELETE", _MANIFEST, 202): Words("manifest", "The name is gone; blobs stay until the registry cleans up."),
    ("GET", _TAGS, 200): Words("list", "The tags of this repository."),
    ("GET", _TAGS, 404): Words("list", "There is no such repository."),
}


def words_of(method: str, target: str, status: int) -> Words:
    """Kind and meaning of one request with its answer. ``target`` is path and query."""
    if status in _REFUSALS:
        return _REFUSALS[status]
    parts = urlsplit(target)
    found = Words("other", "Something that neither push nor pull needs.")
    if status >= 500:
        found = Words("other", "The registry, or the way to it, is in trouble.")
    for (its_method, pattern, its_status), words in _TABLE.items():
        if (method, status) == (its_method, its_status) and re.fullmatch(pattern, parts.path):
            found = words
    neighbour = parse_qs(parts.query).get("from", [""])[0]
    if neighbour and found.kind == "upload":
        return Words("upload", f"Not to be mounted from {neighbour}; an upload session is open instead.")
    return Words(found.kind, found.meaning.replace("{from}", neighbour or "another repository"))


def short_target(target: str) -> str:
    """Path and query as a reader needs them."""
    parts = urlsplit(target)
    words = [f"{key}={value}" for key in TELLING for value in parse_qs(parts.query).get(key, [])]
    return parts.path + ("?" + "&".join(words) if words else "")


def digest_in(target: str) -> str:
    """The digest that a request is about, "" when it is about none."""
    found = re.search(r"sha256:[0-9a-f]{64}", target.replace("%3A", ":").replace("%3a", ":"))
    return found[0] if found else ""
