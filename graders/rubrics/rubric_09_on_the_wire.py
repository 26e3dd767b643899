"""Notebook 09, On the wire: what a registry has, and how it came there.

The witnesses are the registry's own: what it holds, read over HTTP, and its log of who asked for what. Which client
pushed (the engine, the ``docker`` command, ten lines of Python) does not matter, unless the task is to write it.
"""

import re

from graders.criteria import Partial, criterion
from graders.facts import Answers, Asked, Image, Images, Manifest, Probe, Registry, Run

PUSHES = ("again", "second tag", "new label", "other repository")
ACCOUNT = "ada"
APP, TOOL, MINI = "a09/app", "a09/tool", "a09/mini"
LIGHT = 5_000
"""Bytes of new layers in a light child: a note, compressed, has 200."""
ENGINES = re.compile(r"^(docker|layerlab|containerd|buildkit|skopeo|Buildah|libpod|containers)\b", re.IGNORECASE)
"""How the programs call themselves that push for you."""
BY_DIGEST = re.compile(r"(?P<name>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})")


def layers_of(manifest: Manifest) -> list[str]:
    return [layer.digest for layer in manifest.layers]


def last_arrival(registry: Registry, repository: str, digest: str) -> Asked | None:
    """How a blob came into a repository the last time that it came."""
    came = [asked for asked in registry.requests() if asked.repository == repository and asked.digest == digest]
    return next((asked for asked in reversed(came) if asked.how in ("uploaded", "mounted")), None)


def not_mounted(registry: Registry, repository: str, manifest: Manifest) -> list[str]:
    """The layers of an image that did not come into its repository by a mount."""
    arrivals = {digest: last_arrival(registry, repository, digest) for digest in layers_of(manifest)}
    return [digest for digest, came in arrivals.items() if came is None or came.how != "mounted"]


# --- exercises of the lesson


@criterion(
    points=4,
    exercise="09.1",
    hints=[
        "Before an engine sends a layer, it asks whether the registry has it. By which name?",
        "A tag names a manifest. A label is in the configuration. Is either of them a layer?",
        "Registries copy between their own repositories without anybody sending bytes.",
    ],
)
def test_predicted_what_is_sent(probe: Probe) -> None:
    """You know how many layers are sent by each of the four pushes."""
    told = probe("layers_sent", dict)
    wrong = [push for push in PUSHES if told.get(push) != 0 or isinstance(told[push], bool)]
    if wrong:
        advice = f"Not yet: look again at {', '.join(wrong)}. Which layer is not there already?"
        raise Partial(len(PUSHES) - len(wrong), advice)


@criterion(
    points=2,
    exercise="09.2",
    image="ex09/app:1",
    hints=[
        "What does the second part of the name say, after the host?",
        "You are logged in as ada, and ada may write below ada/.",
    ],
)
def test_published_below_the_own_name(image: Image, registry: Registry) -> None:
    """ada/app:fixed is in the registry, and it is ex09/app:1."""
    stored = registry.manifest(f"{registry}/{ACCOUNT}/app:fixed")
    assert stored.config.digest == image.id, "There is an ada/app:fixed, but it is another image: tag ex09/app:1."


def changes_the_story(image: Image) -> bool:
    """The story is sent again, because its layer is another one now. What can you put on top of it instead?"""
    return "story.txt" in image.layers[-1].files


@criterion(
    points=2,
    exercise="09.3",
    near=[changes_the_story],
    hints=[
        "Version 2 must have all layers of version 1, so that only what is above them is new.",
        "FROM ex09/app:1, and one COPY of a small file.",
    ],
)
def test_a_light_child(image: Image, images: Images, registry: Registry, probe: Probe) -> None:
    """ada/app:2 holds your note above all layers of version 1, in less than 5,000 new bytes."""
    note = probe("note", str).strip()
    assert note, "Write something into `note`."
    parent, child = (registry.manifest(f"{registry}/{ACCOUNT}/app:{tag}") for tag in ("1", "2"))
    assert child.config.digest == image.id, "The registry has another image as ada/app:2: push after the last build."
    new = [layer for layer in child.layers if layer.digest not in layers_of(parent)]
    size = sum(layer.size for layer in new)
    assert size < LIGHT, f"Its layers hold {size:,} bytes that version 1 does not have."
    assert layers_of(child)[: len(parent.layers)] == layers_of(parent), "It does not stand on version 1."
    assert new, "It has no layer of its own: where is the note?"


@criterion(
    points=2,
    exercise="09.4",
    image="ex09/app:1",
    hints=[
        "The repository is what stands between the host and the tag: ada/team.",
        "kit.tag('ex09/app:1', f'{hub}/ada/team:1'), then kit.push of that name.",
    ],
)
def test_shared_without_sending(image: Image, registry: Registry) -> None:
    """ada/team:1 is ex09/app:1, and none of its layers was uploaded: they were mounted."""
    stored = registry.manifest(f"{registry}/{ACCOUNT}/team:1")
    assert stored.config.digest == image.id, "ada/team:1 is another image: tag ex09/app:1."
    sent = not_mounted(registry, f"{ACCOUNT}/team", stored)
    assert not sent, f"{len(sent)} of its layers came by an upload. Push it to ada/app first, then to ada/team."


def names_the_config(answers: Answers, registry: Registry) -> bool:
    """That is the digest of the configuration: the image ID. You can't pull by it; the manifest has its own."""
    digest = str(answers.get("reference") or answers.get("receipt")).rpartition("@")[2]
    stored = [
        registry.manifest(f"{registry}/{name}")
        for name in (f"{ACCOUNT}/app:1", f"{APP}:1")
        if registry.has(f"{registry}/{name}")
    ]
    return digest in [manifest.config.digest for manifest in stored]


@criterion(
    points=2,
    exercise="09.5",
    near=[names_the_config],
    hints=[
        "name:tag may lead elsewhere tomorrow. name@sha256:… can't.",
        "kit.manifest(target).digest is the digest of the manifest.",
        'reference = f"{hub}/ada/app@{kit.manifest(target).digest}"',
    ],
)
def test_a_name_that_never_moves(answers: Answers, probe: Probe, images: Images, registry: Registry) -> None:
    """`reference` names ada/app:1 by digest, and you have pulled it."""
    reference = probe("reference", str)
    found = BY_DIGEST.fullmatch(reference)
    assert found, f"{reference!r} does not name a digest: it should end in @sha256: and 64 digits."
    stored = registry.manifest(f"{registry}/{ACCOUNT}/app:1")
    assert found["digest"] == stored.digest, "This is the digest of something else than the manifest of ada/app:1."
    assert images(reference).id == stored.config.digest


@criterion(
    points=2,
    exercise="09.6",
    hints=[
        "The end of the path is the name that the manifest gets: …/manifests/stable.",
        "Send manifest.raw as it is: other bytes have another digest.",
    ],
)
def test_moved_a_tag(registry: Registry) -> None:
    """ada/app:stable is what ada/app:1.0 is."""
    stable, released = (registry.manifest(f"{registry}/{ACCOUNT}/app:{tag}") for tag in ("stable", "1.0"))
    assert stable.digest == released.digest, "ada/app:stable leads to another manifest than ada/app:1.0."


# --- assignment A09


@criterion(
    points=3,
    exercise="a09",
    hints=[
        "A push sends one tag. Which of the two have you pushed?",
        "Two tags of one image: kit.tag, then kit.push for each.",
    ],
)
def test_two_tags_one_digest(registry: Registry) -> None:
    """a09/app:1 and a09/app:1.0 are in the registry, and they are one image (only one of them: 1 point)."""
    there = [tag for tag in ("1", "1.0") if registry.has(f"{registry}/{APP}:{tag}")]
    assert there, f"The registry has neither {APP}:1 nor {APP}:1.0. Does the name begin with the registry?"
    if len(there) == 1:
        raise Partial(1, f"It has only {APP}:{there[0]}. A push sends one tag.")
    one, other = (registry.manifest(f"{registry}/{APP}:{tag}") for tag in there)
    if one.digest != other.digest:
        raise Partial(1, "The two tags lead to two images. Tag after the last build, and push both.")


@criterion(
    points=3,
    exercise="a09",
    hints=["nonce is a variable in the assignment's first cell.", "Push again after the last build."],
)
def test_it_comes_back(registry: Registry, run: Run, nonce: str) -> None:
    """Whoever pulls a09/app:1 gets an image that prints your word."""
    result = run(registry.pull(f"{registry}/{APP}:1"))
    assert result.code == 0, f"It ends with exit code {result.code}: {result.err.strip()}"
    assert nonce in result.out, f"It prints {result.out[:200]!r}; your word is {nonce!r}."


@criterion(
    points=3,
    exercise="a09",
    hints=[
        "FROM names the parent. Is it a09/app:1, under whatever name it has here?",
        "kit.image(child).above(parent) must not raise.",
    ],
)
def test_a_child_that_shares(registry: Registry) -> None:
    """a09/app:2 is a child of a09/app:1, and for it no layer of the parent was sent again (sent again: 1 point)."""
    parent, child = (registry.manifest(f"{registry}/{APP}:{tag}") for tag in ("1", "2"))
    below, own = layers_of(parent), layers_of(child)
    assert own[: len(below)] == below and len(own) > len(below), (
        f"It has {len(own)} layers; the first {len(below)} must be those of {APP}:1, and above them one of its own."
    )
    if _uploads_after(registry, f"/v2/{APP}/manifests/1", below):
        raise Partial(1, "A layer of the parent was uploaded once more after the parent was there.")


def _uploads_after(registry: Registry, target: str, digests: list[str]) -> bool:
    """Whether one of the blobs was uploaded after the manifest at ``target`` was last put."""
    requests = registry.requests()
    puts = [place for place, asked in enumerate(requests) if asked.method == "PUT" and asked.target == target]
    later = requests[puts[-1] :] if puts else []
    return any(asked.how == "uploaded" and asked.repository == APP and asked.digest in digests for asked in later)


def is_not_there_yet(registry: Registry) -> bool:
    """Push a09/app:1 first: a registry mounts only what it has, and an engine proposes only what it has pushed."""
    return not registry.has(f"{registry}/{APP}:1")


@criterion(
    points=3,
    exercise="a09",
    near=[is_not_there_yet],
    hints=[
        "The same image under a name in another repository: kit.tag, kit.push.",
        "kit.requests() shows what the registry was asked; a mount is a POST with from=, answered by 201.",
    ],
)
def test_mounted_into_another_repository(registry: Registry) -> None:
    """a09/tool:1 is a09/app:1, and its layers came by a mount (some of them: 1 point)."""
    tool, app = (registry.manifest(f"{registry}/{name}:1") for name in (TOOL, APP))
    assert layers_of(tool) == layers_of(app), f"{TOOL}:1 has other layers than {APP}:1."
    sent = not_mounted(registry, TOOL, tool)
    assert len(sent) < len(tool.layers), "None of its layers was mounted: all were uploaded."
    if sent:
        raise Partial(1, f"{len(sent)} of its {len(tool.layers)} layers came by an upload.")


def refused(registry: Registry) -> bool:
    """The registry refused a blob: its bytes are not what `?digest=` says. Hash exactly the bytes that you send."""
    return any(asked.repository == MINI and asked.how == "refused" for asked in registry.requests())


def named_no_digest(registry: Registry) -> bool:
    """A PUT without a digest: add it to the address that the registry gave you, as &digest=sha256:…"""
    mini = [asked for asked in registry.requests() if asked.repository == MINI]
    return any(asked.method == "PUT" and "/uploads/" in asked.target and not asked.digest for asked in mini)


def lost_the_state(registry: Registry) -> bool:
    """An address without its `_state`: send to the Location of the POST's answer, whole, and add the digest to it."""
    mini = [asked for asked in registry.requests() if asked.repository == MINI and asked.method == "PUT"]
    return any("/uploads/" in asked.target and "_state=" not in asked.target for asked in mini)


@criterion(
    points=2,
    exercise="a09",
    near=[lost_the_state, named_no_digest, refused],
    hints=[
        "POST …/blobs/uploads/ opens a session; its Location says where the bytes go.",
        "PUT Location&digest=sha256:… with the bytes as the body.",
        "The digest is that of the bytes you send: of the compressed layer, if you compress it.",
    ],
)
def test_pushmini_sends_the_blobs(registry: Registry) -> None:
    """Your pushmini brings a layer and a configuration into a09/mini (1 point each)."""
    sent = [one for one in registry.requests() if one.repository == MINI and one.how == "uploaded"]
    came = {one.digest for one in sent if not ENGINES.match(one.agent)}
    assert came, f"No blob has come into {MINI} yet."
    if len(came) == 1:
        raise Partial(1, f"One blob has come into {MINI}; an image needs two, its layer and its configuration.")


def pushed_by_an_engine(registry: Registry) -> bool:
    """An engine pushed this manifest, the registry's log says. The task is to do it yourself."""
    return bool(ENGINES.match(_who_named_it(registry)))


def _who_named_it(registry: Registry) -> str:
    """The client that put the manifest of a09/mini:1 the last time."""
    puts = [
        asked for asked in registry.requests() if asked.target == f"/v2/{MINI}/manifests/1" and asked.method == "PUT"
    ]
    return next((asked.agent for asked in reversed(puts) if asked.status == 201), "")


@criterion(
    points=2,
    exercise="a09",
    near=[pushed_by_an_engine],
    hints=[
        "PUT /v2/a09/mini/manifests/1, with the manifest's media type as Content-Type.",
        "schemaVersion 2, mediaType, config and layers; each of them mediaType, digest and size.",
        "A 400 says which blob is unknown: are both in this repository?",
    ],
)
def test_pushmini_names_the_image(registry: Registry) -> None:
    """Your own program gave it a manifest with one layer, and so the name a09/mini:1."""
    stored = registry.manifest(f"{registry}/{MINI}:1")
    assert not ENGINES.match(_who_named_it(registry)), "It was pushed by an engine."
    assert len(stored.layers) == 1, f"The manifest names {len(stored.layers)} layers; yours is one."


@criterion(
    points=2,
    exercise="a09",
    after=[test_pushmini_names_the_image],
    hints=[
        "rootfs.diff_ids in the configuration are digests of the *uncompressed* layers.",
        "os, architecture, config.Cmd and rootfs are all that an engine needs.",
    ],
)
def test_pushminis_image_runs(registry: Registry, run: Run, nonce: str) -> None:
    """An engine can pull it, and it prints your word."""
    result = run(registry.pull(f"{registry}/{MINI}:1"))
    assert result.code == 0, f"It ends with exit code {result.code}: {result.err.strip()}"
    assert nonce in result.out, f"It prints {result.out[:200]!r}; your word is {nonce!r}."


@criterion(
    points=2,
    exercise="a09",
    near=[names_the_config],
    hints=[
        "A tag can be moved tomorrow; what can't?",
        "kit.manifest(…).digest, behind the name of the repository and an @.",
    ],
)
def test_a_receipt(answers: Answers, probe: Probe, registry: Registry) -> None:
    """`receipt` is the name of a09/app:1 by digest, and it leads there."""
    receipt = probe("receipt", str).strip()
    found = BY_DIGEST.fullmatch(receipt)
    assert found, f"{receipt!r} does not end in @sha256: and 64 digits."
    stored = registry.manifest(f"{registry}/{APP}:1")
    assert found["digest"] == stored.digest, f"This digest does not lead to what is now {APP}:1."
    assert found["name"].endswith(f"/{APP}"), f"{found['name']!r} is not the repository {registry}/{APP}."
