"""Notebook 03, From scratch: images without a parent.

Every criterion asks for the outcome: what the image holds and what it does when it starts. How it was built
(Dockerfile, import, another tool) does not matter, and more than one good answer passes.
"""

from graders.clinic import NAMES, causes
from graders.criteria import Partial, criterion, tiers
from graders.facts import Answers, Image, Images, Manifests, Run

STARTS = {
    "static": True,
    "tiny": True,
    "shellform": False,
    "dynamic": False,
    "noexec": False,
    "otherarch": False,
}
GREET, BASE = "a03/greet:1", "a03/base:1"
LOADERS = ("ld-linux", "ld-musl", "ld.so")


def regular_files(image: Image) -> list[str]:
    return [path for path, entry in image.files.items() if entry.kind == "file"]


def stands_on_a_parent(image: Image, images: Images) -> str:
    """The name of the known parent that the image's bottom layers are, or ""."""
    for name in ("busybox:1", "debian:13"):
        try:
            parent = [layer.diff_id for layer in images(name).layers]
        except AssertionError:
            continue
        if parent and [layer.diff_id for layer in image.layers[: len(parent)]] == parent:
            return name
    return ""


# --- exercises of the lesson


@criterion(
    points=6,
    exercise="03.1",
    hints=[
        "Ask two questions of each image: is the file that starts there, and can the kernel run it alone?",
        "A dynamic program needs a second file, its loader. A shell-form CMD needs a shell. Neither is in scratch.",
        "Only two of the six start: the ones that hold one static program, executable, for this machine.",
    ],
)
def test_predicted_which_images_start(answers: Answers) -> None:
    """You know which of the six images start."""
    wrong = [name for name, starts in STARTS.items() if answers.get(name) is not starts]
    if wrong:
        advice = f"Not yet: look again at {', '.join(wrong)}. What does the kernel need to start that file?"
        raise Partial(len(STARTS) - len(wrong), advice)


@criterion(
    points=1,
    exercise="03.2",
    image="ex03/hello:1",
    hints=[
        "kit.elf.tiny(text) gives you the bytes of a program that prints text.",
        "Three lines are enough: FROM scratch, COPY, CMD. The program must be executable: kit.build keeps mode 755.",
        'The Dockerfile: FROM scratch, then COPY hello /, then CMD ["/hello"]. Its tag: ex03/hello:1.',
    ],
)
def test_prints_your_name(image: Image, run: Run, reference: str, answers: Answers) -> None:
    """ex03/hello:1 prints your name."""
    result = run(reference)
    assert result.code == 0, f"The container ended with exit code {result.code} and said: {result.err.strip()}"
    name = str(answers.get("name", "")).strip()
    assert name, "Put your name into the variable `name` first, so that the check knows what to look for."
    assert name in result.out, f"It printed {result.out!r}, but your name is {name!r}."


@criterion(points=1, exercise="03.2", image="ex03/hello:1", hints=["Each COPY makes a layer. One is enough."])
def test_one_layer_one_file(image: Image) -> None:
    """It is one layer with one file."""
    files = regular_files(image)
    assert len(image.layers) == 1, f"It has {len(image.layers)} layers; one COPY makes one."
    assert len(files) == 1, f"It holds {len(files)} files ({', '.join(sorted(files)[:5])}); one is enough."


@criterion(
    points=1, exercise="03.2", image="ex03/hello:1", hints=["FROM scratch is not a parent: it adds no layer at all."]
)
def test_no_parent(image: Image, images: Images) -> None:
    """It has no parent."""
    parent = stands_on_a_parent(image, images)
    assert not parent, f"Its bottom layers are those of {parent}. Start FROM scratch instead."


@criterion(
    points=2,
    exercise="03.3",
    image="ex03/fixed:1",
    hints=[
        "Look at kit.image('ex03/fixed:1').config['Cmd']. How many words does it hold, and who put them there?",
        'Shell form: CMD /hello. Exec form: CMD ["/hello"], a JSON list with double quotes.',
    ],
)
def test_exec_form(image: Image, run: Run, reference: str) -> None:
    """ex03/fixed:1 starts its program itself, without a shell."""
    start = image.config["Cmd"] or image.config["Entrypoint"]
    assert start, "It has neither CMD nor ENTRYPOINT, so nothing says what to start."
    assert start[0] != "/bin/sh", f"It still starts {start}: that is shell form, and scratch has no /bin/sh."
    result = run(reference)
    assert result.code == 0, f"It starts {start}, but ends with exit code {result.code}: {result.err.strip()}"


@criterion(
    points=2,
    exercise="03.4",
    image="ex03/dynamic:1",
    hints=[
        "kit.elf.needs(program) lists what the program asks for: its loader and its libraries.",
        "The loader's path is written inside the program, so it must be at exactly that path in the image.",
        "libc.so.6 is searched in the loader's standard directories, such as /lib/x86_64-linux-gnu.",
    ],
)
def test_dynamic_program_runs(image: Image, run: Run, reference: str) -> None:
    """ex03/dynamic:1 runs a dynamic program on scratch: the program, its loader and its library, nothing else."""
    names = {path.rpartition("/")[2] for path in image.files}
    assert any(name.startswith(LOADERS) for name in names), "The loader is missing: kit.elf.needs tells its path."
    assert any(name.startswith(("libc.so", "libc-")) for name in names), (
        "The loader will look for libc.so.6: it is missing."
    )
    result = run(reference)
    assert result.code == 0, f"All files are there, but it ends with exit code {result.code}: {result.err.strip()}"
    files = regular_files(image)
    assert len(files) <= 4, f"It runs. But {len(files)} files are more than it needs: keep those three."


@criterion(
    points=1,
    exercise="03.5",
    image="ex03/base:1",
    hints=["import takes changes, in the words of a Dockerfile: changes=['CMD [\"/hello\"]', 'LABEL how=import']"],
)
def test_imported_base(image: Image, run: Run, reference: str) -> None:
    """ex03/base:1 was imported from a tar, has the label how=import, and its CMD runs."""
    label = image.config["Labels"].get("how")
    assert label == "import", f"The label `how` is {label!r}; pass changes=['LABEL how=import', …] to the import."
    assert len(image.layers) == 1, f"It has {len(image.layers)} layers; an import makes one."
    assert image.config["Cmd"], "It has no CMD: pass one in changes."
    result = run(reference)
    assert result.code == 0, f"Its CMD {image.config['Cmd']} ends with exit code {result.code}: {result.err.strip()}"


@criterion(
    points=2,
    exercise="03.6",
    hints=[
        "A push goes to the registry that the name begins with: kit.registry() tells you its host and port.",
        "kit.tag('ex03/hello:1', f'{registry}/ex03/hello:1') first, then kit.push of the new name.",
    ],
)
def test_pushed(image: Image, manifest: Manifests, reference: str) -> None:
    """Your image is in the registry, with the same layers that are here."""
    stored = manifest(reference)
    assert stored.config.digest == image.id, (
        f"The registry holds another image under this name (config {stored.config.digest[:19]}…, yours is "
        f"{image.id[:19]}…). Push again after the last build."
    )


# --- assignment A03


@criterion(
    points=4,
    exercise="a03",
    image=GREET,
    hints=[
        "nonce is a variable in the assignment's first cell.",
        "kit.elf.tiny(f'Hello, {nonce}\\n') is the program.",
    ],
)
def test_greets(image: Image, run: Run, reference: str, nonce: str) -> None:
    """a03/greet:1 prints `Hello, ` and your word."""
    result = run(reference)
    assert result.code == 0, f"It ends with exit code {result.code} and says: {result.err.strip()}"
    assert f"Hello, {nonce}" in result.out, f"It prints {result.out!r}; your line is 'Hello, {nonce}'."


@criterion(points=3, exercise="a03", image=GREET, hints=["One COPY makes one layer.", "FROM scratch adds none."])
def test_greet_has_no_parent(image: Image, images: Images) -> None:
    """It has no parent and one layer."""
    parent = stands_on_a_parent(image, images)
    assert not parent, f"Its bottom layers are those of {parent}: start FROM scratch."
    if len(image.layers) > 1:
        assert len(image.layers) <= 3, f"It has {len(image.layers)} layers; one COPY makes one."
        raise Partial(1, f"It has {len(image.layers)} layers; one is enough.")


@criterion(
    points=4,
    exercise="a03",
    image=GREET,
    hints=[
        "What does CMD need a shell for? Without a shell there is no reason for busybox.",
        "gcc -static gives about 700 kB, most of it libc that you never call.",
        "kit.elf.tiny writes a program of less than 200 bytes.",
    ],
)
def test_greet_is_small(image: Image) -> None:
    """It stores at most 1 kB (64 kB: 3 points, 1 MB: 2 points)."""
    stored = image.stored
    tiers(stored, [(1000, 4), (64_000, 3), (1_000_000, 2)], f"It stores {stored:,} bytes. What in it is never used?")


@criterion(
    points=2, exercise="a03", image=GREET, hints=['CMD ["/greet"]: a JSON list, an absolute path, double quotes.']
)
def test_greet_starts_in_exec_form(image: Image) -> None:
    """CMD or ENTRYPOINT is in exec form, with an absolute path."""
    config = image.config
    start = config["Entrypoint"] or config["Cmd"]
    assert start, "Neither CMD nor ENTRYPOINT is set."
    assert start[0] != "/bin/sh", f"{start} is shell form; write a JSON list."
    assert start[0].startswith("/"), f"{start[0]!r} is not an absolute path, and scratch has no PATH to search."


@criterion(
    points=2,
    exercise="a03",
    image=GREET,
    hints=["USER with a number: scratch has no /etc/passwd to look a name up in.", "USER 1000 works anywhere."],
)
def test_greet_is_not_root(image: Image, run: Run, reference: str) -> None:
    """It starts as a numeric user other than 0, and still runs."""
    user = image.config["User"] or ""
    number = user.partition(":")[0]
    assert number.isdigit(), f"USER is {user or 'not set'}; scratch has no names, so give a number."
    assert int(number) != 0, "USER is 0, which is root."
    result = run(reference)
    assert result.code == 0, f"As user {user} it no longer runs: {result.err.strip()}. Which mode does the file have?"


@criterion(
    points=4,
    exercise="a03",
    hints=[
        "Run each one and read its message twice.",
        "Is the file there? May it be executed? For which CPU is it? What else does it need?",
        "kit.image(ref).config and .files show the first three causes, kit.elf.describe and kit.elf.needs the rest.",
    ],
)
def test_diagnosed_four_broken_images(answers: Answers, secret: str) -> None:
    """You found why b1, b2, b3 and b4 do not start (1 point each)."""
    wrong = [name for name, cause in causes(secret).items() if answers.get(name) != cause]
    if wrong:
        right = len(NAMES) - len(wrong)
        raise Partial(right, f"{right} of {len(NAMES)} are right; look again at {', '.join(wrong)}.")


@criterion(
    points=1,
    exercise="a03",
    hints=[
        "import_image_from_data takes the tar, and changes=[…] in the words of a Dockerfile.",
        "put_archive writes etc/os-release into the container before it is exported.",
    ],
)
def test_imported_a_base(images: Images, run: Run) -> None:
    """a03/base:1 is an imported base image: a CMD, the label how=import, and /etc/os-release can be read."""
    image = images(BASE)
    assert image.config["Cmd"], "It has no CMD: pass one in changes."
    label = image.config["Labels"].get("how")
    assert label == "import", f"The label `how` is {label!r}; pass 'LABEL how=import' in changes."
    result = run(BASE, "cat", "/etc/os-release")
    assert result.code == 0, f"`cat /etc/os-release` ends with exit code {result.code}: {result.err.strip()}"
    assert result.out.strip(), "Its /etc/os-release is empty."
