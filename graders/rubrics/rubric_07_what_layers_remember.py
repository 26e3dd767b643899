"""Notebook 07, What layers remember: what is stored, what of it anybody sees, and what should be neither.

Sizes are those of the files in the layers above the parent; where a secret is left is found by reading all layers and
the configuration. How it was avoided (one RUN, a stage, a mount) does not matter.
"""

import hashlib

from graders.criteria import Partial, criterion, tiers
from graders.facts import Answers, Grep, Image, Images, Layer, Peek, Place, Probe, Run

DEBIAN, PAGE = "debian:13", "a07/page:1"
STORED = {"rm": 10, "rm -rf": 10, "chmod": 20, "mv": 20, "one RUN": 0}
NUMBERS = "fd4d4c2e0e1228bb51489b9b4b39c2d00e3ee03975da529b24f7effa967f8457"
"""``seq 6000000 | sha256sum``"""
APT = ("var/lib/apt/lists/", "var/cache/apt/")
MB = 1_000_000


def above(image: Image, images: Images, parent: str) -> list[Layer]:
    """The layers above ``parent``."""
    below = [layer.diff_id for layer in images(parent).layers]
    own = list(image.layers)
    assert [layer.diff_id for layer in own[: len(below)]] == below, (
        f"Its bottom layers are not those of {parent}: is that what FROM names? "
        "An export and import flattens all layers into one that nobody shares."
    )
    return own[len(below) :]


def place_of(paths: list[str]) -> str:
    return ", ".join(f"/{path}" for path in sorted(paths)[:3]) + (" …" if len(paths) > 3 else "")


# --- exercises of the lesson


@criterion(
    points=5,
    exercise="07.1",
    hints=[
        "What is in the layer that COPY made, and can a later step change that layer?",
        "A layer holds whole files. Which of the five write the file a second time, under another mode or name?",
        "A step packs the difference between before and after. What is the difference in the last one?",
    ],
)
def test_predicted_what_is_stored(answers: Answers) -> None:
    """You know how many megabytes each of the five stores."""
    wrong = [way for way, size in STORED.items() if not _close(answers.get(way), size)]
    if wrong:
        raise Partial(len(STORED) - len(wrong), f"Not yet: look again at {', '.join(wrong)}.")


def _close(guess: object, size: float) -> bool:
    """Within 5 %; the exact bytes are not the point."""
    return isinstance(guess, int | float) and not isinstance(guess, bool) and abs(guess - size) <= max(size, 1) * 0.05


@criterion(
    points=1,
    exercise="07.2",
    image="ex07/tool:1",
    hints=["It is started by its path: CMD holds /bin/tool. May it be executed?"],
)
def test_the_tool_runs(run: Run, reference: str) -> None:
    """ex07/tool:1 runs the tool."""
    result = run(reference)
    assert result.code == 0 and "ready" in result.out, f"It ended with exit code {result.code}: {result.err.strip()}"


@criterion(
    points=1,
    exercise="07.2",
    image="ex07/tool:1",
    hints=[
        "kit.image('ex07/tool:1') shows which file is stored twice.",
        "Which step can be left out, if the file has the right mode in the build context?",
        "files={'tool': (tool, 0o755)}",
    ],
)
def test_the_tool_is_stored_once(image: Image) -> None:
    """It has no dead weight."""
    assert image.dead == 0, f"{image.dead:,} bytes in it are dead. Which step writes the tool a second time?"


@criterion(points=1, exercise="07.3", image="ex07/figlet:1", hints=['CMD ["figlet", "layers"]'])
def test_figlet_prints(run: Run, reference: str) -> None:
    """ex07/figlet:1 prints a word, large."""
    result = run(reference)
    assert result.code == 0 and _is_large(result.out), f"It printed {result.out[:80]!r}. {result.err.strip()}"


@criterion(
    points=1,
    exercise="07.3",
    image="ex07/figlet:1",
    hints=[
        "In which step do the lists arrive, and in which do they go?",
        "Only what comes and goes within one step is in no layer.",
        "RUN apt-get update && apt-get install … && rm -rf /var/lib/apt/lists/*",
    ],
)
def test_figlet_has_little_dead_weight(image: Image, images: Images) -> None:
    """At most 2 MB of it are dead weight."""
    above(image, images, DEBIAN)
    assert image.dead <= 2 * MB, f"{image.dead:,} bytes in it are dead. Do the lists come and go in the same RUN?"


@criterion(
    points=2,
    exercise="07.4",
    image="ex07/colleague:1",
    hints=[
        "kit.grep('-----BEGIN', 'ex07/colleague:1') names the layer and the path.",
        "kit.peek(path, 'ex07/colleague:1') gives the file as each layer has it that has it.",
    ],
)
def test_found_the_key(peek: Peek, reference: str, probe: Probe) -> None:
    """You found the layer that holds the key (1 point), and the key (1 point)."""
    ((layer, content),) = peek("srv/site/.deploy", reference).items()
    right = [probe("layer", int) == layer, probe("key", str).strip() == content.decode().strip()]
    if not all(right):
        wrong = [word for word, known in zip(("the layer", "the key"), right, strict=True) if not known]
        raise Partial(sum(right), f"Not yet: {' and '.join(wrong)}. kit.grep tells where it is, kit.peek what it is.")


@criterion(points=1, exercise="07.5", image="ex07/license:1", hints=["sha256sum < token > /license, in some stage."])
def test_the_license_is_there(run: Run, reference: str, probe: Probe) -> None:
    """ex07/license:1 holds the license of your token."""
    wanted = hashlib.sha256(f"{probe('token', str)}\n".encode()).hexdigest()
    result = run(reference, "cat", "/license")
    assert result.code == 0, f"/license can't be read: {result.err.strip()}"
    assert wanted in result.out, f"/license is {result.out[:80]!r}, not the sha256sum of your token and a newline."


@criterion(
    points=2,
    exercise="07.5",
    image="ex07/license:1",
    hints=[
        "COPY makes a layer of its own, so an rm in the next step comes too late.",
        "FROM busybox:1 AS office, and all that needs the token, in that stage.",
        "Then FROM busybox:1 and COPY --from=office /license /license.",
    ],
)
def test_the_token_is_nowhere(grep: Grep, reference: str, probe: Probe) -> None:
    """The token is in no layer and in no line of its configuration."""
    found = list(grep(probe("token", str), reference))
    assert not found, f"It still holds the token: {_where(found)}."


# --- assignment A07


@criterion(
    points=6,
    exercise="a07",
    image=PAGE,
    hints=[
        "Run it as a user would: kit.run('a07/page:1'), then with '--license', '--sum', 'two words', '--nonsense'.",
        "What the page reads must be there: /srv/license and /srv/sum. What they were computed from need not be.",
        "The page needs figlet, ENTRYPOINT and CMD, and must be executable.",
    ],
)
def test_does_the_same(run: Run, reference: str, nonce: str) -> None:
    """It does the same: 1 point for each of six runs."""
    license_of = hashlib.sha256(f"key {nonce}\n".encode()).hexdigest()
    usual, words = run(reference), run(reference, "two words")
    unknown = run(reference, "--nonsense")
    works = {
        "without arguments": usual.code == 0 and _is_large(usual.out),
        "with words": words.code == 0 and _is_large(words.out) and words.out != usual.out,
        "with 'Layers', as without": _is_large(usual.out) and run(reference, "Layers").out == usual.out,
        "--license": license_of in run(reference, "--license").out,
        "--sum": NUMBERS in run(reference, "--sum").out,
        "--nonsense": unknown.code == 2 and "no such option" in unknown.err,
    }
    failed = [what for what, fine in works.items() if not fine]
    if failed:
        raise Partial(len(works) - len(failed), f"It no longer does the same: {'; '.join(failed)}.")


def _is_large(text: str) -> bool:
    """Whether this is a word as figlet draws it: lines of strokes, no letters."""
    lines = [line for line in text.splitlines() if line.strip()]
    return len(lines) >= 4 and any("_" in line for line in lines) and any("|" in line for line in lines)


@criterion(
    points=5,
    exercise="a07",
    image=PAGE,
    hints=[
        "kit.image('a07/page:1') lists the layers with their sizes. Does anybody need the largest?",
        "The numbers are needed for their checksum only: seq 6000000 | sha256sum writes no file.",
        "apt-get install --no-install-recommends, and the lists gone in the same RUN.",
    ],
)
def test_is_small(image: Image, images: Images) -> None:
    """It stores at most 3 MB above debian:13 (10 MB: 4 points, 30 MB: 2 points)."""
    own = sum(layer.size for layer in above(image, images, DEBIAN))
    tiers(
        own, [(3 * MB, 5), (10 * MB, 4), (30 * MB, 2)], f"It stores {own:,} bytes above {DEBIAN}. Which layer is it?"
    )


@criterion(
    points=3,
    exercise="a07",
    image=PAGE,
    hints=[
        "Open *Dead weight* in kit.image('a07/page:1').",
        "A file that a later step removes, moves or changes is stored twice, or for nobody.",
    ],
)
def test_has_little_dead_weight(image: Image) -> None:
    """At most 2 MB of it are dead weight (10 MB: 1 point)."""
    tiers(
        image.dead,
        [(2 * MB, 3), (10 * MB, 1)],
        f"{image.dead:,} bytes in it are dead: shipped, and nobody sees them.",
    )


@criterion(
    points=4,
    exercise="a07",
    image=PAGE,
    hints=[
        "kit.grep(nonce, 'a07/page:1') shows what a stranger finds.",
        "A COPY and an rm in a later step leave it in the layer of the COPY. An ARG is in the history.",
        "Compute the license in a stage of its own, and COPY --from it.",
    ],
)
def test_tells_no_secret(grep: Grep, reference: str, nonce: str) -> None:
    """The key is nowhere: not in a layer, not in the history (history alone: 2 points)."""
    found = list(grep(f"key {nonce}", reference))
    if found and not any(place.kind == "file" for place in found):
        raise Partial(2, f"No layer holds the key, but anybody can read it: {_where(found)}.")
    assert not found, f"The key is still there: {_where(found)}. Removing it in a later step only hides it."


def _where(found: list[Place]) -> str:
    return "; ".join(
        f"/{one.words} in layer {one.layer}" if one.kind == "file" else f"in the {one.kind}" for one in found
    )


@criterion(
    points=1,
    exercise="a07",
    image=PAGE,
    hints=["rm -rf /var/lib/apt/lists/* in the RUN that has apt-get update."],
)
def test_holds_no_lists_of_apt(image: Image, images: Images) -> None:
    """No layer above the parent holds lists or caches of apt."""
    left = [
        path
        for layer in above(image, images, DEBIAN)
        for path, entry in layer.files.items()
        if path.startswith(APT) and entry.kind == "file" and entry.size
    ]
    assert not left, f"There is {place_of(left)}. It must go in the very step that fetched it."


@criterion(points=1, exercise="a07", image=PAGE, hints=["FROM debian:13 in the last stage. No export and import."])
def test_stands_on_debian(image: Image, images: Images) -> None:
    """It stands on debian:13."""
    above(image, images, DEBIAN)
