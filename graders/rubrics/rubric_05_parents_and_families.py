"""Notebook 05, Parents and families: who stands on whom, what is stored once, and what a tag is worth.

Ancestry is told by diff_ids: a child's list begins with its parent's.
"""

import hashlib

from graders.criteria import Partial, criterion
from graders.facts import Answers, Image, Images, Manifests, Run
from graders.family import PROGRAMS, WORDS, versions

WORDS_IN_USE = {
    "debian:13 is a base image": True,
    "debian:13 is a parent image": True,
    "ex05/tool:1 is a base image": False,
    "ex05/tool:1 is a parent image": True,
    "ex05/report:1 is a child of ex05/tool:1": True,
    "ex05/report:1 holds the layers of debian:13": True,
    "scratch is a base image": False,
    "busybox:1 and debian:13 have a common parent": False,
}
CANDIDATES = ("busybox:1", "web:1", "debian:13", "ex05/tool:1")
STRANGERS = tuple(f"stranger{number}" for number in range(1, 7))
SIBLINGS = ("ex05/one:1", "ex05/two:1", "ex05/three:1")
BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"
BASE, TOOLS, REPORT, SEARCH = "a05/base:1", "a05/tools:1", "a05/report:1", "a05/search:1"
LEAF = 100_000
"""Bytes that a leaf may add: its own files, and not those of its parent once more."""


def diff_ids(image: Image) -> list[str]:
    return [layer.diff_id for layer in image.layers]


def stands_on(child: Image, parent: Image) -> bool:
    below = diff_ids(parent)
    return bool(below) and diff_ids(child)[: len(below)] == below


def bytes_of(image: Image) -> dict[str, int]:
    """The bytes of each layer's files, by diff_id."""
    return {layer.diff_id: layer.size for layer in image.layers}


def near(value: object, wanted: int) -> bool:
    """Within two per cent."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value - wanted) <= 0.02 * wanted


# --- exercises of the lesson


@criterion(
    points=8,
    exercise="05.1",
    hints=[
        "Base is what an image is: does it have a parent? Parent is what it is to another: does any FROM name it?",
        "scratch is a word, not an image.",
        "Four of the eight are wrong as they stand.",
    ],
)
def test_uses_the_words(answers: Answers) -> None:
    """You use base, parent and child as this course does."""
    wrong = [sentence for sentence, true in WORDS_IN_USE.items() if answers.get(sentence) is not true]
    if wrong:
        raise Partial(len(WORDS_IN_USE) - len(wrong), f"Look again at: {'; '.join(wrong)}.")


@criterion(
    points=2,
    exercise="05.2",
    hints=["A layer with the same digest is stored once, however many images have it.", "base + the three own ones"],
)
def test_estimates_listed_and_stored(answers: Answers, images: Images) -> None:
    """You know what the siblings' sizes add up to, and what is stored (1 point each)."""
    family = [bytes_of(images(name)) for name in SIBLINGS]
    listed = sum(sum(sizes.values()) for sizes in family)
    stored = sum({digest: size for sizes in family for digest, size in sizes.items()}.values())
    wanted = {"listed": listed, "stored": stored}
    wrong = [name for name, size in wanted.items() if not near(answers.get(name), size)]
    if wrong:
        raise Partial(2 - len(wrong), f"Look again at what is {' and '.join(wrong)}: which layers are the same?")


@criterion(
    points=6,
    exercise="05.3",
    hints=[
        "kit.image(name).diff_ids is the list. Does it begin with the list of a candidate?",
        "Who stands on ex05/tool:1 stands on debian:13, too: the longest beginning wins.",
    ],
)
def test_named_the_parents(answers: Answers, images: Images) -> None:
    """You know the nearest parent of each stranger."""
    known, said = {name: images(name) for name in CANDIDATES}, answers.get("parents")
    assert isinstance(said, dict), "`parents` is a dict: stranger to candidate."
    wrong = [
        stranger for stranger in STRANGERS if said.get(stranger) != _nearest(images(f"ex05/{stranger}:1"), known)
    ]
    if wrong:
        raise Partial(len(STRANGERS) - len(wrong), f"Look again at {', '.join(wrong)}.")


def _nearest(child: Image, known: dict[str, Image]) -> str:
    below = [name for name, parent in known.items() if stands_on(child, parent)]
    return max(below, key=lambda name: len(known[name].layers), default="")


def lost_the_argument(image: Image) -> bool:
    """An ARG above FROM is for FROM alone. How does a stage get it?"""
    return not image.config["Labels"].get(BASE_NAME)


@criterion(
    points=2,
    exercise="05.4",
    image="ex05/either:1",
    near=[lost_the_argument],
    hints=["Below FROM, an ARG must be asked for again.", "ARG PARENT, without a value, after FROM."],
)
def test_parent_was_an_argument(image: Image, images: Images) -> None:
    """ex05/either:1 stands on web:1, and its label says so (1 point each)."""
    label = image.config["Labels"].get(BASE_NAME)
    met = [stands_on(image, images("web:1")), label == "web:1"]
    if not all(met):
        advice = [] if met[0] else ["It does not stand on web:1: pass args={'PARENT': 'web:1'}."]
        advice += [] if met[1] else [f"The label {BASE_NAME} says {label!r}."]
        raise Partial(sum(met), " ".join(advice))


@criterion(
    points=3,
    exercise="05.5",
    image="ex05/pinned:1",
    hints=[
        "A reference can end in @sha256:… in place of a tag.",
        "FROM registry/ex05/parent@sha256:…; the variable `first` is the digest.",
    ],
)
def test_pinned_the_parent(image: Image, answers: Answers, manifest: Manifests) -> None:
    """FROM names a digest (1 point), it is the first parent (1 point), and the label says which (1 point)."""
    pinned = str(answers.get("pinned", ""))
    digest = pinned.partition("@")[2]
    assert digest, f"`pinned` is {pinned!r}: a tag moves. Name the digest, with an @."
    manifest(pinned)
    which = image.files.get("which")
    first = which is not None and (which.digest or "").endswith(hashlib.sha256(b"first\n").hexdigest())
    label = image.config["Labels"].get(BASE_DIGEST)
    if not (first and label == digest):
        advice = [] if first else ["It does not stand on the first parent: that is another digest."]
        advice += [] if label == digest else [f"The label {BASE_DIGEST} says {label!r}."]
        raise Partial(1 + first + (label == digest), " ".join(advice))


# --- assignment A05


@criterion(
    points=4,
    exercise="a05",
    hints=[
        "kit.run('a05/report:1'), kit.run('a05/search:1', 'cache').",
        "Both leaves start what the tools bring: /usr/local/bin/report and /usr/local/bin/search.",
    ],
)
def test_family_is_there_and_works(images: Images, run: Run, nonce: str) -> None:
    """All four are there (1 point each): the leaves count as there when they do their work."""
    trouble = []
    for name, command, wanted in (
        (BASE, ("echo", "well"), ["well"]),
        (TOOLS, ("report",), [str(len(WORDS))]),
        (REPORT, (), [str(len(WORDS)), nonce]),
        (SEARCH, ("cache",), [word for word in WORDS if "cache" in word][:1]),
    ):
        try:
            images(name)
        except AssertionError as missing:
            trouble.append(str(missing.args[0]))
            continue
        result = run(name, *command)
        if result.code or not all(text in result.out for text in wanted):
            said = (result.out or result.err).strip()[-120:]
            trouble.append(f"{name} {' '.join(command)}: exit code {result.code}, it says {said!r}.")
    if trouble:
        raise Partial(4 - len(trouble), " ".join(trouble))


def leaves_on_the_base(images: Images) -> bool:
    """The leaves stand on the base, beside the tools: they are siblings, not grandchildren. What does FROM name?"""
    base, tools = images(BASE), images(TOOLS)
    leaves = [images(REPORT), images(SEARCH)]
    return any(stands_on(leaf, base) and not stands_on(leaf, tools) for leaf in leaves)


@criterion(
    points=6,
    exercise="a05",
    near=[leaves_on_the_base],
    hints=[
        "kit.family('a05/base:1', 'a05/tools:1', 'a05/report:1', 'a05/search:1') draws it.",
        "Build the parent first. When it is built anew, its children must be, too.",
    ],
)
def test_stand_on_each_other(images: Images) -> None:
    """tools stands on base, report and search stand on tools (2 points each)."""
    edges = [(TOOLS, BASE), (REPORT, TOOLS), (SEARCH, TOOLS)]
    base = images(BASE)
    assert len(base.layers) == 1, f"{BASE} has {len(base.layers)} layers: make it from scratch and one tar."
    loose = [
        f"{child} on {parent}"
        for child, parent in edges
        if not stands_on(images(child), images(parent)) or len(images(child).layers) <= len(images(parent).layers)
    ]
    if loose:
        raise Partial(2 * (len(edges) - len(loose)), f"Not so: {', '.join(loose)}.")


@criterion(
    points=2,
    exercise="a05",
    hints=["What the tools bring is in their layers already.", "COPY only what is the leaf's own."],
)
def test_leaves_are_light(images: Images) -> None:
    """Each leaf adds at most 100 kB to what base and tools store (1 point each)."""
    below = bytes_of(images(BASE)).keys() | bytes_of(images(TOOLS)).keys()
    heavy = []
    for name in (REPORT, SEARCH):
        own = sum(size for digest, size in bytes_of(images(name)).items() if digest not in below)
        if own > LEAF:
            heavy.append(f"{name} adds {own:,} bytes")
    if heavy:
        raise Partial(2 - len(heavy), f"{'; '.join(heavy)}. What of it has the parent already?")


@criterion(
    points=2,
    exercise="a05",
    hints=["The words are large: how many of the four bring them?", "COPY once, in the tools."],
)
def test_family_stores_little(images: Images) -> None:
    """All four together store no more than base, the words once, and 200 kB."""
    family = [bytes_of(images(name)) for name in (BASE, TOOLS, REPORT, SEARCH)]
    stored = sum({digest: size for sizes in family for digest, size in sizes.items()}.values())
    most = sum(family[0].values()) + sum(len(word) + 1 for word in WORDS) + 2 * LEAF
    assert stored <= most, f"Together they store {stored:,} bytes, {stored - most:,} too many."


@criterion(
    points=3,
    exercise="a05",
    hints=[
        "LABEL org.opencontainers.image.base.name=a05/base:1",
        "A label is inherited: each child must say its own parent.",
    ],
)
def test_children_name_their_parents(images: Images) -> None:
    """The label org.opencontainers.image.base.name of each child names its parent (1 point each)."""
    wanted = {TOOLS: BASE, REPORT: TOOLS, SEARCH: TOOLS}
    wrong = [
        f"{child} says {label!r}"
        for child, parent in wanted.items()
        if (label := images(child).config["Labels"].get(BASE_NAME)) != parent
    ]
    if wrong:
        raise Partial(len(wanted) - len(wrong), f"{'; '.join(wrong)}. A child inherits its parent's labels.")


def believed_the_tag(answers: Answers) -> bool:
    """That is what the tag says. Ask the program, not the tag."""
    found = answers.get("versions")
    return isinstance(found, dict) and any(found.get(name) == tag for name, tag in PROGRAMS.items())


@criterion(
    points=3,
    exercise="a05",
    near=[believed_the_tag],
    hints=["kit.run('a05/db:10.5', '--version')", "Labels and ENV are written by people, too.", "Ask each program."],
)
def test_knows_what_is_inside(answers: Answers, nonce: str) -> None:
    """You know the version that is really in db, cache and shop (1 point each)."""
    inside, said = versions(nonce), answers.get("versions")
    assert isinstance(said, dict), "`versions` is a dict: name to version."
    wrong = [name for name, version in inside.items() if str(said.get(name)).strip() != version]
    if wrong:
        raise Partial(len(inside) - len(wrong), f"Look again at {', '.join(wrong)}.")
