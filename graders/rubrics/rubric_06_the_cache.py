"""Notebook 06, The cache: which steps run again, told by building the learner's context again.

The installation writes a number that is never the same, so each one gives another layer. The same layer of installed
packages twice means that it came from the cache, whichever builder there is.
"""

from graders.criteria import Partial, criterion
from graders.facts import Answers, Image, Rebuild, Rebuilt, Run

SHOP = "a06/shop:1"
RUNS = {
    "nothing": False,
    "page touched": False,
    "page edited": True,
    "README edited": True,
    "packages.txt edited": True,
}
UNWANTED = (".git", "node_modules")


def installed(built: Rebuilt) -> tuple[str, ...]:
    """The layers that hold installed packages."""
    layers = [
        layer.diff_id for layer in built.image.layers if any(path.startswith("app/lib/") for path in layer.files)
    ]
    assert layers, "No layer holds /app/lib, where install.sh puts the packages. Is it run?"
    return tuple(layers)


def everything(built: Rebuilt) -> tuple[str, ...]:
    return tuple(layer.diff_id for layer in built.image.layers)


# --- exercises of the lesson


@criterion(
    points=5,
    exercise="06.1",
    hints=[
        "What does the layer hold on which RUN ./install.sh stands?",
        "Are a file's times among what is compared, or its bytes alone?",
    ],
)
def test_predicted_what_runs_again(answers: Answers) -> None:
    """You know after which of the five edits the installation runs again."""
    wrong = [name for name, runs in RUNS.items() if answers.get(name) is not runs]
    if wrong:
        raise Partial(len(RUNS) - len(wrong), f"Not yet: look again at {', '.join(wrong)}.")


@criterion(
    points=2,
    exercise="06.2",
    hints=[
        "What is the first line of your Dockerfile that reads page?",
        "install.sh reads packages.txt and vendor/. Copy these, run it, then copy the rest.",
    ],
)
def test_an_edit_leaves_the_installation_alone(rebuild: Rebuild) -> None:
    """Another page leaves the installed packages alone."""
    before = rebuild({"page": "One thing\n"})
    assert installed(rebuild({"page": "Another\n"})) == installed(before), (
        "After an edit of page the packages are installed again. Which line above the installation reads page?"
    )


@criterion(points=1, exercise="06.2", hints=["What comes after the COPY that reads page, and could come before it?"])
def test_an_edit_runs_two_steps(rebuild: Rebuild) -> None:
    """Another page runs at most two steps."""
    rebuild({"page": "One thing\n"})
    ran = rebuild({"page": "Something new\n"}).ran
    assert ran <= 2, f"{ran} steps ran."


@criterion(
    points=2,
    exercise="06.3",
    hints=["kit.context(shop) shows what is sent. *.log stands for every log.", "README and *.log, a line each."],
)
def test_what_nobody_needs_runs_nothing(rebuild: Rebuild) -> None:
    """Another README and another log run no step (1 point each)."""
    rebuild()
    ran = {name: rebuild({name: "Something new\n"}).ran for name in ("README", "debug.log")}
    wrong = [name for name, steps in ran.items() if steps]
    if wrong:
        raise Partial(2 - len(wrong), f"An edit of {' and of '.join(wrong)} still runs steps. Is it sent?")


@criterion(
    points=1, exercise="06.4", hints=["An ARG counts for every RUN after it. Which line is the first to need it?"]
)
def test_a_version_leaves_the_installation_alone(rebuild: Rebuild) -> None:
    """Another VERSION leaves the installed packages alone."""
    first, second = rebuild(args={"VERSION": "1"}), rebuild(args={"VERSION": "2"})
    assert installed(first) == installed(second), "Another VERSION installs the packages again: where does ARG stand?"


@criterion(points=1, exercise="06.4", hints=["LABEL version=$VERSION, after the ARG."])
def test_a_version_reaches_the_label(rebuild: Rebuild) -> None:
    """The label version follows VERSION."""
    label = rebuild(args={"VERSION": "7.1"}).image.config["Labels"].get("version")
    assert label == "7.1", f"The label is {label!r}, though VERSION was 7.1."


# --- assignment A06


@criterion(points=3, exercise="a06", image=SHOP, hints=['CMD ["cat", "page"], in /app.', "Is page copied?"])
def test_prints_the_page(run: Run, reference: str, rebuild: Rebuild, nonce: str) -> None:
    """It prints the page, and the next page too."""
    result = run(reference)
    assert result.code == 0 and nonce in result.out, f"It printed {result.out[:80]!r}. {result.err.strip()}"
    text = f"{nonce} is closed on Mondays\n"
    assert run(rebuild({"page": text}).reference).out == text, "Built with another page, it still prints the old one."


@criterion(
    points=5,
    exercise="a06",
    hints=[
        "What is the first line that differs, when page differs?",
        "To copy packages.txt and then the dot, before the installation, gains nothing.",
        "COPY what install.sh reads, RUN it, COPY the rest.",
    ],
)
def test_a_page_leaves_the_packages_alone(rebuild: Rebuild, nonce: str) -> None:
    """Another page leaves the installed packages alone."""
    before = rebuild({"page": f"{nonce} one\n"})
    assert installed(rebuild({"page": f"{nonce} two\n"})) == installed(before), (
        "With another page the packages are installed again. Which line above the installation reads page?"
    )


@criterion(points=3, exercise="a06", hints=["Does .dockerignore leave out packages.txt, or does nobody copy it?"])
def test_a_list_changes_the_packages(rebuild: Rebuild) -> None:
    """Another packages.txt installs other packages."""
    fewer = rebuild({"packages.txt": "clock\n"})
    files = fewer.image.files
    assert installed(fewer) != installed(rebuild()) and "app/lib/clock/clock.sh" in files, (
        "With another packages.txt the same packages are installed."
    )
    assert "app/lib/greeting/greeting.sh" not in files, "A package that is no longer in the list is still installed."


@criterion(
    points=3,
    exercise="a06",
    hints=["kit.context(project) shows what is sent.", "Or copy by name what is needed, and not the dot."],
)
def test_what_nobody_needs_changes_nothing(rebuild: Rebuild) -> None:
    """Another README or log changes no layer (1.5 points each)."""
    before = everything(rebuild())
    wrong = [name for name in ("README", "debug.log") if everything(rebuild({name: "Another day\n"})) != before]
    if wrong:
        raise Partial(3 - 1.5 * len(wrong), f"An edit of {' and of '.join(wrong)} changes a layer. Who needs it?")


@criterion(points=2, exercise="a06", hints=["What comes after the COPY of page, and could come before it?"])
def test_a_page_runs_two_steps(rebuild: Rebuild, nonce: str) -> None:
    """Another page runs at most two steps."""
    rebuild()
    ran = rebuild({"page": f"{nonce} three\n"}).ran
    assert ran <= 2, f"{ran} steps ran. What stands below the COPY of page?"


@criterion(points=2, exercise="a06", image=SHOP, hints=[".git, node_modules and *.log in .dockerignore."])
def test_holds_nothing_of_the_workshop(image: Image) -> None:
    """No layer holds .git, a log or node_modules."""
    found = sorted(
        path
        for layer in image.layers
        for path in layer.files
        if path.endswith(".log") or any(name in path.split("/") for name in UNWANTED)
    )
    assert not found, f"/{found[0]} is in it. A removal in a later step would only hide it: do not send it."


@criterion(
    points=2, exercise="a06", image=SHOP, hints=["ENV MODE=production", "date, $RANDOM and the like in no step."]
)
def test_is_calm_and_in_production(image: Image, rebuild: Rebuild) -> None:
    """Without a change nothing runs (1 point), and MODE is production (1 point)."""
    rebuild()
    right = [rebuild().ran == 0, "MODE=production" in (image.config["Env"] or ())]
    if not all(right):
        raise Partial(
            sum(right), "Without a change steps run." if not right[0] else "MODE is not in its environment."
        )
