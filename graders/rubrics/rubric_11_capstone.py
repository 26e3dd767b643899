"""Notebook 11, Capstone: the image diet. A hundred points for one image, its recipe and its names.

Ten runs, five sizes, two builds more: what is asked for is the result. How many stages, which compiler and which last
stage are the learner's choice.
"""

import re
import time
from collections.abc import Sequence

from graders.criteria import Partial, criterion, tiers
from graders.facts import Grep, Image, Peek, Probe, Rebuild, Registry, Run

QUOTED = "a11/quoted:1.0.0"
REPOSITORY = "a11/quoted"
TAGS = ("1.0.0", "1.0", "1")
PLAN = {
    "a compiler is shipped": "stage",
    "the source is shipped": "stage",
    "the password is in a layer": "ignore",
    "debug.log is sent to the builder": "ignore",
    "it runs as root": "user",
    "arguments can't be given without the program's name": "exec",
    "it needs a shell to start": "exec",
    "two builds give two layers": "times",
    "a tag may lead elsewhere tomorrow": "digest",
}
SHELLS = re.compile(r"(.*/)?(sh|bash|dash|ash|zsh|busybox)")
LABELS = "org.opencontainers.image."
BY_DIGEST = re.compile(r"(?P<name>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})")


def runs(nonce: str) -> Sequence[tuple[tuple[str, ...], int, str]]:
    """Ten ways to start it: arguments, exit code, and what it prints on either output."""
    last = f"{nonce[::-1]} is not a password."
    return (
        ((), 0, "Simplicity is prerequisite for reliability."),
        (("1",), 0, "Simplicity is prerequisite for reliability."),
        (("2",), 0, "Less is more."),
        (("3",), 0, last),
        (("--count",), 0, "3"),
        (("--help",), 0, "usage: quoted"),
        (("4",), 3, "there is no quote 4"),
        (("99",), 3, "there is no quote 99"),
        (("0",), 2, "usage: quoted"),
        (("1", "2"), 2, "usage: quoted"),
    )


# --- exercises of the lesson


@criterion(
    points=2,
    exercise="11.1",
    hints=[
        "A container sees the merged files. Who looks at one layer after the other sees more.",
        "kit.peek('/tmp/secret.txt', 'ex11/quoted:0') has the file of each layer that holds it.",
    ],
)
def test_read_the_password(probe: Probe, peek: Peek) -> None:
    """You have read the password that the Dockerfile removed."""
    found = probe("found", str).strip()
    held = next(iter(peek("/tmp/secret.txt", "ex11/quoted:0").values())).decode(errors="replace").strip()
    assert found, "Nothing is found: in the container the file is gone. In which layer did it come?"
    assert found == held, f"{found[:80]!r} is not what the file held."


@criterion(
    points=9,
    exercise="11.2",
    hints=[
        "What must never come into a layer must not be sent to the builder.",
        "What the build needs and the program does not stays in another stage.",
        "ENTRYPOINT in exec form takes arguments, and needs no shell.",
    ],
)
def test_has_a_plan(probe: Probe) -> None:
    """You know the cure for each of the nine findings."""
    plan = probe("plan", dict)
    wrong = [finding for finding, cure in PLAN.items() if plan.get(finding) != cure]
    if wrong:
        raise Partial(len(PLAN) - len(wrong), f"Not yet: what helps when {'; when '.join(wrong[:3])}?")


# --- assignment A11


def starts_without_arguments_only(run: Run, reference: str) -> bool:
    """CMD is replaced by the arguments. ENTRYPOINT in exec form gets them."""
    return run(reference).code == 0 and "executable file not found" in run(reference, "2").err


@criterion(
    points=20,
    exercise="a11",
    image=QUOTED,
    near=[starts_without_arguments_only],
    hints=[
        "What is an argument added to: to CMD, or to ENTRYPOINT?",
        "The program reads /data/quotes.txt. May your user read it?",
        "A dynamic program needs its loader; in scratch there is none.",
    ],
)
def test_works(run: Run, reference: str, nonce: str) -> None:
    """Ten runs do what the program does (2 points each)."""
    wrong = []
    for words, code, said in runs(nonce):
        result = run(reference, *words)
        if result.code != code or said not in result.out + result.err:
            wrong.append((" ".join(words) or "no argument", (result.out + result.err).strip()[:80]))
    if wrong:
        raise Partial(
            20 - 2 * len(wrong), f"{len(wrong)} of 10 go wrong; with {wrong[0][0]} it says {wrong[0][1]!r}."
        )


@criterion(
    points=25,
    exercise="a11",
    image=QUOTED,
    after=[test_works],
    hints=["What does the last stage stand on?", "What did the compiler bring along?", "musl-gcc -static -Os -s"],
)
def test_is_small(image: Image) -> None:
    """It stores at most 100 kB (1 MB: 20 points, 5 MB: 15, 20 MB: 10, 125 MB: 5)."""
    steps = [(100_000, 25), (1_000_000, 20), (5_000_000, 15), (20_000_000, 10), (125_000_000, 5)]
    tiers(image.stored, steps, f"It stores {image.stored:,} bytes. What of it is never used?")


@criterion(
    points=5,
    exercise="a11",
    image=QUOTED,
    hints=[
        "kit.image('a11/quoted:1.0.0') lists the dead files.",
        "What is written once and never changed is not dead.",
    ],
)
def test_has_no_dead_weight(image: Image) -> None:
    """At most 1 % of it is dead (5 %: 3 points)."""
    share = 100 * image.dead / max(image.stored, 1)
    tiers(share, [(1, 5), (5, 3)], f"{image.dead:,} of {image.stored:,} bytes are shipped and seen by nobody.")


@criterion(
    points=5,
    exercise="a11",
    image=QUOTED,
    hints=[
        "A later rm hides a file and never removes it.",
        "What .dockerignore leaves out can get into no layer.",
        "A build argument stands in the history.",
    ],
)
def test_tells_no_secret(grep: Grep, reference: str, nonce: str) -> None:
    """The password is nowhere: in no layer, not in the configuration, not in the history."""
    places = list(grep(nonce, reference))
    if places:
        where = (
            f"/{places[0].words} in layer {places[0].layer}" if places[0].kind == "file" else f"the {places[0].kind}"
        )
        raise AssertionError(f"Whoever pulls it reads the password: it is in {where}.")


@criterion(
    points=4,
    exercise="a11",
    image=QUOTED,
    after=[test_works],
    hints=["USER with a number: scratch has no names.", "USER 1000 works anywhere."],
)
def test_is_not_root(image: Image) -> None:
    """It starts as a numeric user other than root."""
    user = str(image.config["User"] or "").partition(":")[0]
    assert user.isdigit() and int(user) != 0, f"USER is {user or 'not set'}; give a number other than 0."


@criterion(points=3, exercise="a11", image=QUOTED, hints=['ENTRYPOINT ["/quoted"]: a JSON list, an absolute path.'])
def test_starts_in_exec_form(image: Image) -> None:
    """It starts its program itself, in exec form."""
    start = image.config["Entrypoint"] or image.config["Cmd"]
    assert start, "Nothing says what to start."
    assert not SHELLS.fullmatch(str(start[0])), f"It starts {start[0]}, and that starts your program."


@criterion(points=3, exercise="a11", image=QUOTED, hints=["Whoever gets in finds no tool, when there is none."])
def test_has_no_shell(image: Image) -> None:
    """There is no shell in it."""
    shells = sorted(path for path in image.files if SHELLS.fullmatch(path))
    assert not shells, f"It holds /{shells[0]}. What for?"


@criterion(
    points=15,
    exercise="a11",
    image=QUOTED,
    after=[test_works],
    hints=[
        "Which files are made while it is built? touch -d @0 gives them a fixed time.",
        "Directories, too: copy one whose time you have set.",
        "Deliver what comes out of `context`: build once more, then tag and push.",
    ],
)
def test_comes_out_twice_the_same(image: Image, rebuild: Rebuild) -> None:
    """Built from `context` twice more, without cache, its layers are the same (some of them: 4 points)."""
    first = rebuild(nocache=True).image
    time.sleep(1.1)  # layers tell times in seconds
    second = rebuild(nocache=True).image
    one, other, here = ([layer.diff_id for layer in each.layers] for each in (first, second, image))
    same = sum(a == b for a, b in zip(one, other, strict=False))
    assert same, "Not one layer came out the same a second time. Which files have another time?"
    if one != other:
        raise Partial(4, f"{same} of {len(one)} layers came out the same a second time.")
    if one != here:
        raise Partial(9, f"It repeats, but it is not what you have as {QUOTED}: build that from `context`, too.")


@criterion(
    points=3,
    exercise="a11",
    after=[test_works],
    hints=[
        "What changes often stands below what takes long.",
        "COPY quoted.c, compile, and only then COPY quotes.txt.",
    ],
)
def test_rebuilds_quickly(rebuild: Rebuild) -> None:
    """After another quote at most three steps run again."""
    rebuild()
    ran = rebuild({"quotes.txt": "Measure twice, cut once.\n"}).ran
    assert ran <= 3, f"{ran} steps ran again for one line of data. Which of them need it?"


@criterion(
    points=5,
    exercise="a11",
    hints=[
        "LABEL org.opencontainers.image.title=…",
        "ARG VERSION in the stage of the LABEL, then org.opencontainers.image.version=$VERSION.",
    ],
)
def test_says_what_it_is(rebuild: Rebuild) -> None:
    """Labels: a title (1 point), version and revision from VERSION and REVISION (2 points each)."""
    asked = {"VERSION": "7.8.9", "REVISION": "abc123"}
    labels = rebuild(args=asked).image.config["Labels"]
    missing = [name for name in ("VERSION", "REVISION") if labels.get(LABELS + name.lower()) != asked[name]]
    titled = bool(str(labels.get(f"{LABELS}title", "")).strip())
    if missing or not titled:
        wrong = [f"{LABELS}{name.lower()} does not follow {name}" for name in missing]
        wrong += [] if titled else [f"there is no {LABELS}title"]
        raise Partial(5 - 2 * len(missing) - (not titled), f"Not yet: {'; '.join(wrong)}.")


@criterion(
    points=4,
    exercise="a11",
    hints=["A push sends one tag: push all three.", "Tag after the last build, then push."],
)
def test_three_names_one_digest(registry: Registry) -> None:
    """The registry has a11/quoted with the tags 1.0.0, 1.0 and 1, and they are one image."""
    found = {registry.manifest(f"{registry}/{REPOSITORY}:{tag}").digest for tag in TAGS}
    assert len(found) == 1, f"The three tags lead to {len(found)} images. Tag after the last build, and push all."


@criterion(
    points=4,
    exercise="a11",
    image=QUOTED,
    after=[test_three_names_one_digest],
    hints=["Push again after the last build."],
)
def test_published_what_is_here(image: Image, registry: Registry) -> None:
    """What is published is what you have."""
    stored = registry.manifest(f"{registry}/{REPOSITORY}:1.0.0")
    assert stored.config.digest == image.id, f"The registry holds another image than your {QUOTED}."


def names_the_config(probe: Probe, registry: Registry) -> bool:
    """That is the digest of the configuration: the image ID. You can't pull by it; the manifest has its own."""
    digest = probe("receipt", str).strip().rpartition("@")[2]
    return bool(digest == registry.manifest(f"{registry}/{REPOSITORY}:1.0.0").config.digest)


@criterion(
    points=4,
    exercise="a11",
    near=[names_the_config],
    hints=["kit.manifest(…).digest, behind the name of the repository and an @."],
)
def test_a_receipt(probe: Probe, registry: Registry) -> None:
    """`receipt` is its name by digest, and it leads there."""
    receipt = probe("receipt", str).strip()
    found = BY_DIGEST.fullmatch(receipt)
    assert found, f"{receipt!r} does not end in @sha256: and 64 digits."
    stored = registry.manifest(f"{registry}/{REPOSITORY}:1.0.0")
    assert found["digest"] == stored.digest, "This digest leads to another image than 1.0.0."
    assert found["name"].endswith(f"/{REPOSITORY}"), (
        f"{found['name']!r} is not the repository {registry}/{REPOSITORY}."
    )
