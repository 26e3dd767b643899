"""Notebook 04, The Dockerfile: what each line leaves behind, what starts, and what the builder got to see.

Criteria look at the image, at what it does when it starts, and at a second build of the learner's own context.
"""

import hashlib

from graders.criteria import Partial, criterion
from graders.facts import Answers, Image, Images, Layer, Rebuild, Run, Serve
from graders.projects import PORT, SECRETS, quotes

LAYERS = {"settings": 0, "two_runs": 2, "one_run": 1, "copy": 1, "remove": 1, "copy_remove": 2}
PARENT, IMAGE, VERSION = "busybox:1", "a04/quotes:1", "org.opencontainers.image.version"
ACCOUNTS = {"etc/passwd", "etc/group", "etc/shadow", "etc/passwd-", "etc/group-", "etc/shadow-"}
STOPPED = (0, 143)
"""Exit codes of a process that ended when it was asked to."""


def above(image: Image, images: Images, parent: str = PARENT) -> list[Layer]:
    """The layers above the parent."""
    below = [layer.diff_id for layer in images(parent).layers]
    assert [layer.diff_id for layer in image.layers[: len(below)]] == below, f"It does not stand on {parent}."
    return list(image.layers[len(below) :])


def is_shell_form(start: list[str] | None) -> bool:
    return bool(start) and list(start or ())[:2] == ["/bin/sh", "-c"]


# --- exercises of the lesson


@criterion(
    points=6,
    exercise="04.1",
    hints=[
        "Which of the lines change files on disk? Only those make a layer.",
        "One COPY is one layer, however many files it brings. Removing a file is a change, too.",
        "One of the six adds no layer, two add two.",
    ],
)
def test_predicted_how_many_layers(answers: Answers) -> None:
    """You know how many layers each of the six adds."""
    wrong = [name for name, count in LAYERS.items() if answers.get(name) != count or answers.get(name) is True]
    if wrong:
        advice = f"Not yet: look again at {', '.join(wrong)}. A layer is one instruction's change of files."
        raise Partial(len(LAYERS) - len(wrong), advice)


def went_there_in_a_run(image: Image) -> bool:
    """RUN cd lasts until the end of that RUN. Which instruction sets the directory for all that follow?"""
    return image.config["WorkingDir"] in ("", "/")


@criterion(
    points=2,
    exercise="04.2",
    image="ex04/where:1",
    near=[went_there_in_a_run],
    hints=["Each RUN is a shell of its own.", "WORKDIR /app, in place of the two lines."],
)
def test_works_in_app(image: Image, run: Run, reference: str) -> None:
    """/where says /app, and containers start in /app (1 point each)."""
    said, directory = run(reference, "cat", "/where").out.strip(), image.config["WorkingDir"]
    met = [said == "/app", directory == "/app"]
    if not all(met):
        advice = f"/where says {said!r}, and containers start in {directory or '/'!r}."
        raise Partial(sum(met), advice)


def ignores_arguments(image: Image) -> bool:
    """The ENTRYPOINT is in shell form: arguments do not reach it."""
    return is_shell_form(image.config["Entrypoint"])


@criterion(
    points=2,
    exercise="04.3",
    image="ex04/greet:1",
    near=[ignores_arguments],
    hints=[
        "Arguments replace CMD, and are appended to ENTRYPOINT.",
        "Which words are always said, and which can be replaced?",
        'ENTRYPOINT ["echo", "E"], and the default in CMD.',
    ],
)
def test_default_that_can_be_replaced(image: Image, run: Run, reference: str) -> None:
    """ex04/greet:1 says `E C` alone, and `E X` with X (1 point each)."""
    alone, with_x = run(reference).out.strip(), run(reference, "X").out.strip()
    met = [alone == "E C", with_x == "E X"]
    if not all(met):
        raise Partial(sum(met), f"Alone it says {alone!r}, with X it says {with_x!r}.")


@criterion(
    points=2,
    exercise="04.4",
    image="ex04/child:1",
    hints=["kit.image('ex04/child:1').config['Cmd']: where is the parent's?", "Say the CMD again, below."],
)
def test_keeps_the_default(image: Image, images: Images, run: Run, reference: str) -> None:
    """ex04/child:1 stands on ex04/default:1, says `E C`, and its argument can still be replaced."""
    above(image, images, "ex04/default:1")
    alone, with_x = run(reference).out.strip(), run(reference, "X").out.strip()
    assert alone == "E C", (
        f"It says {alone!r}: an ENTRYPOINT resets the CMD that came from the parent. Cmd is {image.config['Cmd']}."
    )
    if with_x != "E X":
        raise Partial(1, f"It says `E C`, but with X it says {with_x!r}: what is fixed, and what is the default?")


@criterion(
    points=2,
    exercise="04.5",
    image="ex04/stop:1",
    hints=[
        "Who is process number 1? config['Cmd'] says it.",
        "A shell that waits for its child does not listen to SIGTERM. The script does.",
        'CMD ["/start.sh"]: exec form.',
    ],
)
def test_stops_by_itself(image: Image, serve: Serve, reference: str) -> None:
    """ex04/stop:1 answers, and stops by itself with exit code 0."""
    service = serve(reference)
    assert service.answer, f"It does not answer: {service.trouble or service.said.strip()}"
    assert not service.killed, f"It was killed: process number 1 is {image.config['Cmd']}, and does not listen."
    assert service.code == 0, f"It stopped, but with exit code {service.code}."


def log_in_a_directory(image: Image) -> bool:
    """*.log names logs at the top only. How does a pattern reach any depth?"""
    return "www/logs/old.log" in image.files and "www/debug.log" not in image.files


@criterion(
    points=2,
    exercise="04.6",
    image="ex04/shop:1",
    near=[log_in_a_directory],
    hints=[
        "kit.context(shop) shows each file with *sent* or *ignored*.",
        "A pattern without a slash names something at the top. **/*.log names logs at any depth.",
    ],
)
def test_leaves_secrets_out(image: Image) -> None:
    """ex04/shop:1 holds the shop, and neither the password, .git nor a log."""
    held = {path.removeprefix("www/") for layer in image.layers for path in layer.files}
    lost = [path for path in ("index.html", "prices.csv") if path not in held]
    assert not lost, f"{', '.join(lost)} is missing: the shop itself must be sent."
    leaked = sorted(path for path in SECRETS if path in held)
    assert not leaked, f"These are in it: {', '.join(leaked)}. What goes into a layer stays there, also after an rm."


# --- assignment A04


@criterion(
    points=2,
    exercise="a04",
    hints=[
        "The error names the step. What is there before it, and what is not?",
        "RUN cd /app changes nothing for the next line. WORKDIR does, and makes the directory.",
    ],
)
def test_builds(rebuild: Rebuild) -> None:
    """Your Dockerfile builds."""
    rebuild()


@criterion(
    points=3,
    exercise="a04",
    image=IMAGE,
    hints=[
        "kit.serve('a04/quotes:1', port=8080) shows what it says.",
        "USER quotes: who is that? This image has no such name. A number needs none.",
        "The script looks for the directory public where it is started.",
    ],
)
def test_answers_with_your_word(reference: str, serve: Serve, nonce: str) -> None:
    """It answers on port 8080, with your word."""
    service = serve(reference, port=PORT)
    assert service.answer, f"Nobody answers on port {PORT}: {(service.trouble + ' ' + service.said).strip()[:300]}"
    assert nonce in service.answer, f"It answers {service.answer[:80]!r}, without your word."


def moved_by_cd(image: Image) -> bool:
    """RUN cd is over when that RUN is over: WORKDIR lasts."""
    return image.config["WorkingDir"] in ("", "/")


@criterion(
    points=2,
    exercise="a04",
    image=IMAGE,
    near=[moved_by_cd],
    hints=["WORKDIR /app comes before the first COPY, and COPY goes to . then."],
)
def test_lives_in_app(image: Image, images: Images) -> None:
    """Containers start in /app, and what you add is in /app only (1 point each)."""
    directory = image.config["WorkingDir"].rstrip("/")
    added = {path for layer in above(image, images) for path, entry in layer.files.items() if entry.kind == "file"}
    elsewhere = sorted(path for path in added - ACCOUNTS if not path.startswith("app/"))
    met = [directory == "/app", bool(added) and not elsewhere]
    if not all(met):
        advice = [] if met[0] else [f"Containers start in {directory or '/'}."]
        advice += (
            [] if met[1] else [f"Outside /app there is {', '.join('/' + path for path in elsewhere[:5]) or 'all'}."]
        )
        raise Partial(sum(met), " ".join(advice))


@criterion(
    points=3,
    exercise="a04",
    image=IMAGE,
    hints=[
        "Which words are always there, and which one is only the default?",
        "Shell form ignores arguments: write a JSON list.",
        'ENTRYPOINT ["./quotes.sh"], and CMD ["serve"].',
    ],
)
def test_can_be_asked_for_help(image: Image, run: Run, reference: str) -> None:
    """ENTRYPOINT is in exec form with a default in CMD (2 points), and `--help` replaces it (1 point)."""
    entrypoint, command = image.config["Entrypoint"], image.config["Cmd"]
    split = bool(entrypoint) and not is_shell_form(entrypoint) and command == ["serve"]
    result = run(reference, "--help")
    helps = result.code == 0 and "usage: quotes.sh" in result.out
    if not (split and helps):
        advice = f"ENTRYPOINT is {entrypoint}, CMD is {command}."
        advice += "" if helps else f" With --help it says {(result.out or result.err).strip()[-80:]!r}."
        raise Partial(2 * split + helps, advice)


@criterion(
    points=2,
    exercise="a04",
    image=IMAGE,
    after=[test_answers_with_your_word],
    hints=["The script listens to SIGTERM. Is it process number 1?", "In shell form, a shell may be number 1."],
)
def test_stops_when_asked(reference: str, serve: Serve) -> None:
    """It stops when it is asked to."""
    service = serve(reference, port=PORT)
    assert service.running, f"It had ended before it was asked to, with exit code {service.code}."
    assert not service.killed and service.code in STOPPED, (
        f"It ended after {service.seconds:.1f} s with exit code {service.code}: it was killed, or it failed."
    )


@criterion(
    points=2,
    exercise="a04",
    image=IMAGE,
    hints=["USER 1000 works in every image.", "Files that COPY brings belong to root. That is right: leave them so."],
)
def test_is_not_root_and_cant_change_itself(image: Image) -> None:
    """It runs as a numeric user other than 0 (1 point), who can't write the files of the app (1 point)."""
    user = str(image.config["User"] or "").partition(":")[0]
    assert user.isdigit(), f"USER is {user or 'not set'}: give a number."
    assert int(user) != 0, "USER is 0, which is root."
    files = {path: entry for path, entry in image.files.items() if path.startswith("app/") and entry.kind == "file"}
    open_ones = [path for path, entry in files.items() if entry.mode & 0o002 or entry.uid == int(user)]
    if open_ones or not files:
        named = ", ".join(f"/{path}" for path in open_ones[:3]) or "nothing in /app"
        raise Partial(1, f"The user may change {named}. Whoever breaks in could, too.")


@criterion(points=1, exercise="a04", image=IMAGE, hints=["On which port does quotes.sh listen?"])
def test_says_its_port(image: Image) -> None:
    """EXPOSE names the port that it listens on, and no other."""
    ports = sorted(image.config["ExposedPorts"] or ())
    assert ports == [f"{PORT}/tcp"], f"EXPOSE names {', '.join(ports) or 'nothing'}; it listens on {PORT}."


def removed_later(image: Image) -> bool:
    """It was removed in a later step. That hides it: the layer below is still shipped (notebook 07)."""
    return any(layer.removed for layer in image.layers)


@criterion(
    points=2,
    exercise="a04",
    image=IMAGE,
    near=[removed_later],
    hints=[
        "What is not sent can't be copied: .dockerignore.",
        "kit.context(project) shows what is sent. A log in a directory needs **/.",
    ],
)
def test_keeps_secrets_out_of_every_layer(image: Image, nonce: str) -> None:
    """No layer holds secret.env, a log, or anything of .git."""
    content = quotes(nonce)
    forbidden = {hashlib.sha256(str(content[path]).encode()).hexdigest() for path in SECRETS}
    held = sorted(
        path
        for layer in image.layers
        for path, entry in layer.files.items()
        if entry.kind == "file" and (entry.digest or "").rpartition(":")[2] in forbidden
    )
    assert not held, f"In its layers there is {', '.join('/' + path for path in held)}."


@criterion(
    points=2,
    exercise="a04",
    after=[test_builds],
    hints=[
        "Where does an ARG stop being visible, and where does it begin?",
        "An ARG above FROM belongs to no stage. Write it below.",
    ],
)
def test_version_reaches_the_label(rebuild: Rebuild, nonce: str) -> None:
    """ARG VERSION reaches the label org.opencontainers.image.version, whatever its value."""
    label = rebuild(args={"VERSION": f"2.0-{nonce}"}).image.config["Labels"].get(VERSION)
    assert label == f"2.0-{nonce}", f"Built with VERSION=2.0-{nonce}, the label says {label!r}."


@criterion(
    points=1,
    exercise="a04",
    image=IMAGE,
    hints=["ADD unpacks a tar, COPY leaves it whole.", "The theme is needed unpacked, the download as a file."],
)
def test_one_tar_unpacked_and_one_whole(image: Image) -> None:
    """The theme is unpacked in public/theme, the download is still a tar in public."""
    files = image.files
    assert "app/public/theme/style.css" in files, "/app/public/theme/style.css is missing: who unpacks theme.tar?"
    assert "app/public/download.tar" in files, "/app/public/download.tar is missing: was it unpacked?"
