"""Notebook 08, Names, tags and digests: where a name leads, and what cannot be moved.

Tags are compared by the images that they lead to and by what those print. What happened between the steps of the
assignment is in the learner's log; what is left at its end is looked at in the engine and in the registry.
"""

from collections.abc import Callable
from typing import Any

from graders.criteria import Partial, criterion
from graders.facts import Answers, Image, Images, Manifests, Probe, Run
from graders.releases import REPOSITORY, STEPS, expected, greeting

PARTS = {
    "hello": ["docker.io", "library/hello", "latest"],
    "ada/app": ["docker.io", "ada/app", "latest"],
    "app:5000": ["docker.io", "library/app", "5000"],
    "team:5000/app": ["team:5000", "app", "latest"],
    "localhost/app": ["localhost", "app", "latest"],
    "127.0.0.1:5000/ada/app:1.0": ["127.0.0.1:5000", "ada/app", "1.0"],
}
AFTER = {"ex08/mv:latest": "version 3", "ex08/mv:2": "version 2", "without a name": 1}
RELEASES = [version for action, version in STEPS if action == "release"]
BACKPORT, ROLL_BACK = STEPS.index(("release", "1.1.1")), STEPS.index(("roll back", "2.1.0"))
DEPLOYED = ("1.1.1", "2.0.1", "2.1.1")


# --- exercises of the lesson


@criterion(
    points=6,
    exercise="08.1",
    hints=[
        "Begin at the end: is there a `:` with no `/` after it? What follows is the tag, else it is latest.",
        "Then look at the word before the first `/`. A dot, a colon, or localhost? Then it is the registry.",
        "No registry means docker.io; and there, one word alone is in library/.",
    ],
)
def test_took_names_apart(probe: Probe) -> None:
    """You know registry, repository and tag of each name."""
    parts = probe("parts", dict)
    wrong = [name for name, right in PARTS.items() if parts.get(name) != right]
    if wrong:
        raise Partial(len(PARTS) - len(wrong), f"Not yet: look again at {', '.join(wrong)}.")


@criterion(
    points=3,
    exercise="08.2",
    hints=[
        "Which tag gets an image that is built as ex08/mv, without one?",
        "A name leads to one image. What has the image that it led to before?",
    ],
)
def test_predicted_where_tags_lead(probe: Probe) -> None:
    """You know where the names lead, and how many images have none."""
    after = probe("after", dict)
    wrong = [name for name, right in AFTER.items() if after.get(name) != right]
    if wrong:
        raise Partial(len(AFTER) - len(wrong), f"Not yet: look again at {', '.join(wrong)}.")


@criterion(
    points=2,
    exercise="08.3",
    image="ex08/mv:1",
    hints=[
        "nameless() lists the images that lost their last name; run them to see which is version 1.",
        "kit.tag takes an ID as well as a name: kit.tag(image.id, 'ex08/mv:1').",
    ],
)
def test_version_one_has_a_name_again(run: Run, reference: str) -> None:
    """ex08/mv:1 is version 1 again, and the others are where they were (1 point each)."""
    wanted = {reference: "version 1", "ex08/mv:2": "version 2", "ex08/mv:latest": "version 3"}
    printed = {name: run(name).out.strip() for name in wanted}
    right = printed[reference] == "version 1", all(printed[name] == text for name, text in list(wanted.items())[1:])
    if not all(right):
        wrong = next(name for name, text in wanted.items() if printed[name] != text)
        raise Partial(sum(right), f"{wrong} prints {printed[wrong]!r}, not {wanted[wrong]!r}. Which image was it?")


@criterion(
    points=2,
    exercise="08.4",
    image="ex08/release:1.2.3",
    hints=["kit.tag('ex08/release:1.2.3', 'ex08/release:1.2'): no build is needed for a name."],
)
def test_three_names_for_one_image(image: Image, images: Images) -> None:
    """ex08/release:1.2.3, 1.2 and 1 are one image."""
    others = [name for name in ("ex08/release:1.2", "ex08/release:1") if images(name).id != image.id]
    assert not others, f"{' and '.join(others)}: another image. A name is given with a tag, not with a build."


@criterion(
    points=1,
    exercise="08.4",
    image="ex08/release:1.2.3",
    hints=["lab.client.images.remove('ex08/release:wip') removes the name."],
)
def test_the_image_lost_a_name_only(image: Image, images: Images) -> None:
    """The name wip is gone; the image stays."""
    assert not _is_there("ex08/release:wip", images), "ex08/release:wip is still there."


def _is_there(name: str, images: Images) -> bool:
    try:
        return bool(images(name))
    except AssertionError:
        return False


@criterion(
    points=2,
    exercise="08.5",
    image="ex08/pinned:1",
    hints=[
        "The variable pinned holds name@sha256:…; FROM takes it as it takes a tag.",
        "Did the tag move meanwhile?",
    ],
)
def test_the_parent_is_pinned(run: Run, reference: str, image: Image, probe: Probe) -> None:
    """ex08/pinned:1 stands on version 1.0.0, named by its digest (1 point each)."""
    result = run(reference)
    by_digest = "@sha256:" in probe("parent", str)
    right = [result.out.strip() == "version 1.0.0" and image.config["Labels"].get("pinned") == "yes", by_digest]
    if not all(right):
        advice = "a tag may lead elsewhere tomorrow: pin it by digest" if not by_digest else "is that version 1.0.0?"
        raise Partial(sum(right), f"It prints {result.out.strip()!r}; {advice}.")


# --- assignment A08


def step_log(answers: Answers) -> list[dict[str, Any]]:
    """The log: tag → version, after each step."""
    log = answers.get("log")
    assert isinstance(log, list) and len(log) == len(STEPS) and all(isinstance(state, dict) for state in log), (
        "The log of the year is missing: run the cells of the assignment in order."
    )
    return log


def misled(answers: Answers, wanted: Callable[[int, str], bool]) -> list[str]:
    """In words, where a tag that is ``wanted`` (by step and name) led elsewhere than it should."""
    return [
        f"after “{action} {version}” {name} leads to {state.get(name, 'nothing')}, not to {right}"
        for place, ((action, version), state, rights) in enumerate(
            zip(STEPS, step_log(answers), expected(), strict=True)
        )
        for name, right in rights.items()
        if wanted(place, name) and state.get(name) != right
    ]


@criterion(
    points=4,
    exercise="a08",
    hints=[
        "Somebody who writes all three numbers wants just this one, for ever.",
        "Only happens() builds a08/app:X.Y.Z. Which line of after() moves one?",
    ],
)
def test_releases_never_moved(answers: Answers, run: Run, nonce: str) -> None:
    """X.Y.Z never moved, and each runs its own version (1 point less for each that does not)."""
    log = step_log(answers)
    moved = {
        name
        for place, state in enumerate(log)
        for name in [version for action, version in STEPS[: place + 1] if action == "release"]
        if state.get(name) != name
    }
    moved |= {name for name in RELEASES if run(f"{REPOSITORY}:{name}").out != greeting(name, nonce)}
    if moved:
        raise Partial(
            max(4 - len(moved), 0), f"{', '.join(sorted(moved))}: moved, or gone. They must stay what they were."
        )


@criterion(
    points=4,
    exercise="a08",
    hints=[
        "After 1.1.1, where must 1.1 lead, and did anything change for 2.0?",
        "Sort the good releases by their numbers; in each row the last one counts.",
    ],
)
def test_rows_lead_to_their_newest(answers: Answers) -> None:
    """X.Y leads to the newest release of its row (half the points if it is so at the end only)."""
    _all_or_at_the_end(answers, lambda name: name.count(".") == 1, 4)


@criterion(
    points=3,
    exercise="a08",
    hints=["1 leads to the newest 1.something, 2 to the newest 2.something: numbers, not texts."],
)
def test_majors_lead_to_their_newest(answers: Answers) -> None:
    """X leads to the newest release of that major version (1.5 points if it is so at the end only)."""
    _all_or_at_the_end(answers, str.isdigit, 3)


def _all_or_at_the_end(answers: Answers, kind: Callable[[str], bool], points: float) -> None:
    wrong = misled(answers, lambda place, name: kind(name) and place != ROLL_BACK)
    if wrong:
        at_the_end = not misled(answers, lambda place, name: kind(name) and place == len(STEPS) - 1)
        raise Partial(points / 2 if at_the_end else 0, f"Not always: {wrong[0]}.")


@criterion(
    points=3,
    exercise="a08",
    hints=["1.1.1 came after 2.0.0, and it is older. latest is for the newest number, not for the last build."],
)
def test_latest_is_not_the_last_build(answers: Answers) -> None:
    """latest leads to the newest release, also after the repair of an older row."""
    wrong = misled(answers, lambda place, name: name == "latest" and place < ROLL_BACK)
    assert not wrong, f"Look at the order of numbers, not of time: {wrong[0]}."


@criterion(
    points=3,
    exercise="a08",
    hints=[
        "Rolling back is moving tags: which of them lead to 2.1.0 at that moment?",
        "2.1 has no good release left. Its users get the newest good one.",
    ],
)
def test_rolled_back_and_forward(answers: Answers) -> None:
    """After the roll back 2.1, 2 and latest lead to 2.0.1, and then to 2.1.1 (1 point each)."""
    names = ("2.1", "2", "latest")
    wrong = misled(answers, lambda place, name: name in names and place >= ROLL_BACK)
    failed = [words for name in names if (words := next((one for one in wrong if f" {name} leads" in one), ""))]
    if failed:
        raise Partial(len(names) - len(failed), f"Not yet: {failed[0]}.")


@criterion(
    points=3,
    exercise="a08",
    hints=[
        "kit.manifest(name).digest is the digest of what was pushed.",
        "A tag can be moved. REGISTRY/a08/app@sha256:… can't.",
    ],
)
def test_deploys_by_digest(probe: Probe, manifest: Manifests, images: Images) -> None:
    """deploy names each of the three releases by a digest that can be pulled (1 point each)."""
    deploy, wrong = probe("deploy", dict), list[str]()
    for version in DEPLOYED:
        name = deploy.get(version)
        if not isinstance(name, str) or "@sha256:" not in name:
            wrong.append(f"{version}: {name!r} holds no digest; a tag may be moved")
            continue
        try:
            found = manifest(name).config.digest
        except (AssertionError, ValueError) as error:
            wrong.append(f"{version}: {error}")
            continue
        if found != images(f"{REPOSITORY}:{version}").id:
            wrong.append(f"{version}: that is another image")
    if wrong:
        raise Partial(len(DEPLOYED) - len(wrong), f"Not yet. {wrong[0]}.")
