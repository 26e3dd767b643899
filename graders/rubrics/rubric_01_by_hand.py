"""Notebook 01, An image by hand: what a commit keeps, and what it does not.

Every criterion looks at the image and at the containers that are there, not at how they came about: the SDK, the
``docker`` command and a build serve alike where the result is the same.
"""

import hashlib

from graders.criteria import Partial, criterion
from graders.facts import Answers, Containers, Image, Images, Layer, Run, Serve

WEB, INDEX, OLD = "web:1", "www/index.html", "www/old.html"
KEPT = {"file": True, "deleted": True, "variable": False, "volume": False, "process": False}
PAGE, STABLE, ORIGINAL = "a01/page:1", "a01/page:stable", "a01-page"
ALLOWED = {INDEX, "www/about.html"}


def above(image: Image, images: Images) -> list[Layer]:
    """The layers above web:1."""
    parent = [layer.diff_id for layer in images(WEB).layers]
    own = list(image.layers)
    assert [layer.diff_id for layer in own[: len(parent)]] == parent, (
        "Whose layers are these? Not those of web:1: an export and import flattens them all into a new one. "
        "Commit the container instead."
    )
    return own[len(parent) :]


def stray(image: Image, images: Images) -> list[str]:
    """What the layers above web:1 add or remove beside what was asked for, the directories above it left out."""
    before = images(WEB).files
    changed = {
        path
        for layer in above(image, images)
        for path, entry in layer.files.items()
        if entry.kind != "directory" or path not in before
    }
    removed = {path for layer in above(image, images) for path in layer.removed}
    return sorted((changed - ALLOWED) | (removed - {OLD}))


def start_of(image: Image) -> list[str]:
    return [*(image.config["Entrypoint"] or ()), *(image.config["Cmd"] or ())]


# --- exercises of the lesson


@criterion(
    points=5,
    exercise="01.1",
    hints=[
        "A commit packs one thing: the container's own layer. Ask of each edit: is it in a file, in that layer?",
        "A deleted file leaves a mark in the layer. A volume lies beside all layers.",
        "Two of the five are kept.",
    ],
)
def test_predicted_what_a_commit_keeps(answers: Answers) -> None:
    """You know which of the five edits are in the image."""
    wrong = [name for name, kept in KEPT.items() if answers.get(name) is not kept]
    if wrong:
        advice = f"Not yet: look again at {', '.join(wrong)}. Is it a file in the container's own layer?"
        raise Partial(len(KEPT) - len(wrong), advice)


@criterion(
    points=1,
    exercise="01.2",
    image="ex01/page:1",
    hints=[
        "container.put_archive('/www', kit.tar({'index.html': (page, 0o644)})) writes the file.",
        "Write first, commit then: container.commit('ex01/page', tag='1').",
    ],
)
def test_holds_your_page(image: Image, answers: Answers) -> None:
    """ex01/page:1 holds your page."""
    page = answers.get("page")
    assert isinstance(page, str) and page.strip(), "Put your page into the variable `page`."
    found = image.files.get(INDEX)
    assert found is not None, f"There is no /{INDEX} in it. What does kit.image('ex01/page:1') show?"
    assert found.digest == f"sha256:{hashlib.sha256(page.encode()).hexdigest()}", (
        f"Its /{INDEX} is not your page. Was the file written before the commit, and to /www? "
        "A tag names the image that was there when you tagged."
    )


@criterion(points=1, exercise="01.2", image="ex01/page:1", hints=["One commit of a container of web:1 is one layer."])
def test_one_layer_above_its_parent(image: Image, images: Images) -> None:
    """It is one layer above web:1."""
    count = len(above(image, images))
    assert count == 1, f"It has {count} layers above web:1; one commit makes one."


@criterion(
    points=1,
    exercise="01.3",
    image="ex01/quiet:1",
    hints=[
        "Which of these needs a running container: create, put_archive, exec_run, commit?",
        "lab.client.containers.create('web:1', name='ex01-quiet'), put_archive, commit. No start.",
    ],
)
def test_committed_without_a_start(image: Image, images: Images, containers: Containers) -> None:
    """ex01/quiet:1 comes from a container that never ran: ex01-quiet."""
    container = containers("ex01-quiet")
    assert container is not None, "There is no container ex01-quiet. Leave it there, so that it can be looked at."
    assert not container.started, (
        f"ex01-quiet is {container.status}: it was started. Remove it and make another that never is."
    )
    assert len(above(image, images)) == 1, "The image is not one layer above web:1."


@criterion(
    points=1,
    exercise="01.3",
    image="ex01/quiet:1",
    hints=["exec_run needs a process to join. put_archive writes into a container that does not run, too."],
)
def test_the_quiet_one_holds_a_page(image: Image, images: Images) -> None:
    """It holds a page of its own."""
    assert INDEX in image.files, f"It has no /{INDEX}."
    assert image.files[INDEX].digest != images(WEB).files[INDEX].digest, (
        f"Its /{INDEX} is still that of web:1. exec_run does nothing in a container that does not run; "
        "put_archive does."
    )


@criterion(
    points=2,
    exercise="01.4",
    image="ex01/fixed:1",
    hints=[
        "Run it without arguments. What starts? kit.image('ex01/fixed:1').config['Cmd'] says it, too.",
        "commit takes changes, in the words of a Dockerfile: changes=['CMD [\"httpd\", …]'].",
        "kit.image('web:1').config['Cmd'] is the list that you need.",
    ],
)
def test_starts_the_server_again(image: Image, images: Images) -> None:
    """ex01/fixed:1 starts what web:1 starts."""
    wanted, start = images(WEB).config["Cmd"], image.config["Cmd"]
    assert start == wanted, f"It starts {start}, but web:1 starts {wanted}. Which command had the container?"


@criterion(
    points=1,
    exercise="01.5",
    image="ex01/site:stable",
    hints=["container.remove(force=True) stops and removes. It is called ex01-site."],
)
def test_original_is_gone_and_the_image_works(reference: str, run: Run, containers: Containers) -> None:
    """The container ex01-site is gone, and the image still works."""
    container = containers("ex01-site")
    assert container is None, f"The container ex01-site is still there: {container.status if container else ''}."
    result = run(reference, "cat", f"/{INDEX}")
    assert result.code == 0, f"The image can't be read any more: {result.err.strip()}"


# --- assignment A01


@criterion(
    points=4,
    exercise="a01",
    image=PAGE,
    hints=[
        "nonce is a variable in the assignment's first cell. The page is /www/index.html.",
        "Is the file in the *layer*, or in a mount? A volume is in no image.",
        "Which image did you tag? Tag after the last commit.",
    ],
)
def test_serves_your_word(reference: str, run: Run, nonce: str) -> None:
    """a01/page:1 holds a page with your word."""
    result = run(reference, "cat", f"/{INDEX}")
    assert result.code == 0, f"/{INDEX} can't be read: {result.err.strip()}"
    assert nonce in result.out, f"/{INDEX} is {result.out[:200]!r}; your word is {nonce!r}. Which image did you tag?"


@criterion(
    points=4,
    exercise="a01",
    image=PAGE,
    hints=["All edits in one container, then one commit.", "One commit, one layer."],
)
def test_page_is_one_layer(image: Image, images: Images) -> None:
    """It is exactly one layer above web:1 (two: 2 points)."""
    count = len(above(image, images))
    if count == 2:
        raise Partial(2, "It has two layers above web:1: a commit of a commit. Make all edits, then commit once.")
    assert count == 1, f"It has {count} layers above web:1; make all edits in one container, then commit once."


@criterion(
    points=4,
    exercise="a01",
    image=PAGE,
    hints=[
        "kit.container('a01-page') shows every change before you commit.",
        "What lies in /tmp or in a home directory came by the way: delete it before the commit.",
        "rm /www/old.html with exec_run, in a container that runs.",
    ],
)
def test_page_changes_nothing_else(image: Image, images: Images) -> None:
    """It changes /www/index.html and /www/about.html, removes /www/old.html, and nothing else."""
    changed = {path for layer in above(image, images) for path in layer.files}
    assert INDEX in changed, f"/{INDEX} is not changed at all."
    others = stray(image, images)
    lost = [path for path in ("www/about.html",) if path not in image.files]
    points = 4 - len(others) - len(lost) - (OLD in image.files)
    advice = [f"it also changes {', '.join('/' + path for path in others[:5])}"] if others else []
    advice += [f"/{path} is missing" for path in lost]
    advice += [f"/{OLD} is still there"] if OLD in image.files else []
    if points < 4:
        raise Partial(max(points, 0), f"Not quite: {'; '.join(advice)}. Is everything in it meant to be shipped?")


@criterion(
    points=3,
    exercise="a01",
    image=PAGE,
    hints=[
        "Run it without arguments. What starts?",
        "A commit keeps the container's command: was it a shell? changes=['CMD […]'] sets another.",
    ],
)
def test_page_starts_the_server(image: Image, images: Images, serve: Serve, reference: str) -> None:
    """Without arguments it starts what web:1 starts, in exec form (another start that serves the page: 1 point)."""
    wanted, start = start_of(images(WEB)), start_of(image)
    if start == wanted:
        return
    advice = f"It starts {start}, web:1 starts {wanted}. A commit keeps the command of the container."
    assert start and serve(reference).answer, f"{advice} Run it without arguments: what starts?"
    raise Partial(1, advice)


@criterion(
    points=2,
    exercise="a01",
    image=PAGE,
    hints=["container.commit(…, author='Ada <ada@example.org>', message='…').", "docker commit -a … -m …"],
)
def test_page_is_signed(image: Image) -> None:
    """Its history names an author and a message (1 point each)."""
    tip = image.history[-1] if image.history else None
    given = [bool(tip and tip.author.strip()), bool(tip and tip.comment.strip())]
    missing = [name for name, there in zip(("author", "message"), given, strict=True) if not there]
    if missing:
        raise Partial(
            sum(given), f"The last line of its history has no {' and no '.join(missing)}: commit takes both."
        )


@criterion(
    points=2,
    exercise="a01",
    image=PAGE,
    hints=["kit.tag('a01/page:1', 'a01/page:stable')", "Tag last: a tag does not follow a later commit."],
)
def test_both_names_lead_to_one_image(image: Image, images: Images) -> None:
    """a01/page:1 and a01/page:stable are one image."""
    other = images(STABLE)
    assert other.id == image.id, f"{STABLE} is another image: which one did you tag? Tag after the last commit."


@criterion(points=1, exercise="a01", image=PAGE, hints=["container.remove(force=True, v=True)"])
def test_the_original_is_gone(image: Image, containers: Containers) -> None:
    """The container a01-page is gone; the image stays."""
    container = containers(ORIGINAL)
    assert container is None, f"{ORIGINAL} is still there ({container.status if container else ''}). Remove it."
