"""Notebook 10, Two kitchens: what is shipped of what was cooked, and whether it is the same the next time.

Every criterion looks at images: how many stages there were, and which compiler, is the learner's choice.
"""

import re
import time

from graders.criteria import Partial, criterion, tiers
from graders.facts import Image, Images, Probe, Rebuild, Run

ORDER = ["fat", "shell", "static", "musl"]
REASONS = {"a": "file times", "b": "chance", "c": "equal", "d": "clock"}
COOKS = re.compile(r"(.*/)?(cc1|cc1plus|collect2|(.+-)?(gcc|musl-gcc|cc|c\+\+|g\+\+|as|ld)(-[\d.]+|\.bfd)?|stdio\.h)")
"""What a compiler can't do without, and what nobody needs who only runs a program."""
WORD = "a10/word:1"
REVISION = "org.opencontainers.image.revision"


def cooks_in(image: Image) -> list[str]:
    """Files of a compiler in any layer, also where a later one hides them."""
    return sorted({path for layer in image.layers for path in layer.files if COOKS.fullmatch(path)})


def hides_the_compiler(image: Image) -> bool:
    """The compiler is hidden, not gone: the layer below still ships it. What does a second FROM begin?"""
    return any(path not in image.files for path in cooks_in(image))


# --- exercises of the lesson


@criterion(
    points=4,
    exercise="10.1",
    hints=[
        "What does each of them stand on, and what does its program bring along?",
        "A compiler weighs more than a shell, and a shell more than a C library.",
    ],
)
def test_ordered_by_weight(probe: Probe) -> None:
    """You know which of the four images is larger than which."""
    order = probe("order", list)
    right = sum(one == other for one, other in zip(order, ORDER, strict=False))
    if order != ORDER:
        raise Partial(min(right, 3), f"{right} of 4 are at their place. What is in each last stage?")


@criterion(
    points=2,
    exercise="10.2",
    image="ex10/clean:1",
    near=[hides_the_compiler],
    hints=[
        "kit.image('ex10/clean:1') shows every layer: whose are they?",
        "FROM tools:1 AS kitchen … FROM scratch, and COPY --from=kitchen /hello /.",
    ],
)
def test_no_cook_in_the_dining_room(image: Image, run: Run, reference: str) -> None:
    """No layer of ex10/clean:1 holds a compiler, and it greets."""
    cooks = cooks_in(image)
    assert not cooks, f"It ships {len(cooks)} files of a compiler, such as /{cooks[0]}."
    result = run(reference)
    assert result.code == 0 and "Hello" in result.out, f"It does not greet: {result.err.strip() or result.out!r}"


@criterion(
    points=2,
    exercise="10.3",
    hints=[
        "differences(first, second) says what of which file is another.",
        "touch without -d sets the time to now, which is what we want to be rid of.",
        "touch -d @0 /hello, in the line that makes the file.",
    ],
)
def test_a_layer_that_repeats(images: Images, run: Run) -> None:
    """ex10/again:1 and ex10/again:2 have the same layers, and work."""
    first, second = images("ex10/again:1"), images("ex10/again:2")
    assert [layer.diff_id for layer in first.layers] == [layer.diff_id for layer in second.layers], (
        "Their layers differ still. Which file has another time, and in which stage is it made?"
    )
    assert "Hello" in run("ex10/again:2").out, "They are alike, but they don't greet any more."


@criterion(
    points=4,
    exercise="10.4",
    hints=[
        "A layer that is not listed by differences is equal.",
        "Another content: does the line ask a clock, or does it throw dice?",
    ],
)
def test_found_the_reasons(probe: Probe) -> None:
    """You know why each of the four layers differs, or that it does not."""
    told = probe("reasons", dict)
    wrong = [name for name, reason in REASONS.items() if told.get(name) != reason]
    if wrong:
        raise Partial(len(REASONS) - len(wrong), f"Not yet: look again at {', '.join(wrong)}.")


@criterion(
    points=2,
    exercise="10.5",
    hints=[
        "A tag gives an image a name. The image stays as it is, with its date.",
        "kit.seal('ex10/again:1', 'ex10/sealed:1', date=…), and the same for 2, with the same date.",
    ],
)
def test_one_digest(images: Images) -> None:
    """ex10/sealed:1 and ex10/sealed:2 are one image, with the layers of ex10/again:1."""
    first, second, before = (images(name) for name in ("ex10/sealed:1", "ex10/sealed:2", "ex10/again:1"))
    assert [layer.diff_id for layer in first.layers] == [layer.diff_id for layer in before.layers], (
        "ex10/sealed:1 has other layers than ex10/again:1."
    )
    assert first.id == second.id, "They are still two images: what in the configuration is not the same?"


# --- assignment A10


@criterion(
    points=3,
    exercise="a10",
    image=WORD,
    hints=[
        "The program reads /data/word.txt: is that file in the last stage?",
        "CMD in exec form: scratch has no shell. And the program must be static, or bring its loader.",
    ],
)
def test_prints_your_word(run: Run, reference: str, nonce: str) -> None:
    """a10/word:1 prints your word."""
    result = run(reference)
    assert result.code == 0, f"It ends with exit code {result.code}: {result.err.strip()}"
    assert nonce in result.out, f"It prints {result.out[:200]!r}; your word is {nonce!r}."


def takes_a_whole_tree(image: Image, images: Images) -> bool:
    """It is carried over with the rest: COPY --from one file, or a directory with nothing else in it."""
    return bool(cooks_in(image)) and image.layers[0].diff_id != images("tools:1").layers[0].diff_id


@criterion(
    points=4,
    exercise="a10",
    image=WORD,
    near=[hides_the_compiler, takes_a_whole_tree],
    hints=["What does a second FROM begin?", "COPY --from=kitchen /out/ /, with nothing in /out but what is needed."],
)
def test_ships_no_kitchen(image: Image, images: Images) -> None:
    """No layer of it holds a compiler (4 points) or the source (with the source: 2 points)."""
    cooks = cooks_in(image)
    assert not cooks, f"It ships {len(cooks)} files of a compiler, such as /{cooks[0]}."
    sources = [path for layer in image.layers for path in layer.files if path.endswith(".c")]
    if sources:
        raise Partial(2, f"It ships the source: /{sources[0]}.")


@criterion(
    points=4,
    exercise="a10",
    image=WORD,
    hints=[
        "What does the last stage stand on?",
        "gcc -static brings glibc along, most of which is never called. tools:1 has another C library.",
        "musl-gcc -static -Os -s",
    ],
)
def test_is_small(image: Image) -> None:
    """It stores at most 100 kB (1 MB: 2 points)."""
    stored = image.stored
    tiers(stored, [(100_000, 4), (1_000_000, 2)], f"It stores {stored:,} bytes. What of it is never used?")


@criterion(
    points=6,
    exercise="a10",
    image=WORD,
    hints=[
        "Which files does the last stage get, and when were they made? touch -d @0 gives them a fixed time.",
        "A directory that COPY has to make gets the time of the build. Copy one whose time you have set.",
        "RUN … && find /out -exec touch -d @0 {} +, then COPY --from=kitchen /out/ /.",
    ],
)
def test_comes_out_twice_the_same(image: Image, rebuild: Rebuild) -> None:
    """Built from `context` twice more, without cache, its layers are the same (some of them: 3 points)."""
    first = rebuild(nocache=True).image
    time.sleep(1.1)  # layers tell times in seconds
    second = rebuild(nocache=True).image
    one, other, here = ([layer.diff_id for layer in each.layers] for each in (first, second, image))
    same = sum(a == b for a, b in zip(one, other, strict=False))
    assert same, "Not one layer came out the same a second time. Which files have another time?"
    if one != other:
        raise Partial(3, f"{same} of {len(one)} layers came out the same a second time.")
    if one != here:
        raise Partial(3, f"It repeats, but it is not what you have as {WORD}: build that from `context`, too.")


def argument_of_another_stage(rebuild: Rebuild) -> bool:
    """An ARG is known in the stage that declares it, and in no other. In which one is your LABEL?"""
    return REVISION in rebuild(args={"REVISION": "asked"}).image.config["Labels"]


@criterion(
    points=3,
    exercise="a10",
    near=[argument_of_another_stage],
    hints=[
        "ARG REVISION, then LABEL org.opencontainers.image.revision=$REVISION, both in the last stage.",
        "The Dockerfile in `context` counts, not the one that you built from.",
    ],
)
def test_tells_its_revision(rebuild: Rebuild) -> None:
    """Its build argument REVISION becomes the label org.opencontainers.image.revision."""
    label = rebuild(args={"REVISION": "asked-by-the-grader"}).image.config["Labels"].get(REVISION)
    assert label == "asked-by-the-grader", (
        f"With REVISION=asked-by-the-grader the label is {label!r}. Is the ARG declared in the stage of the LABEL?"
    )
