"""The rubric that ``layerlab rubric new`` starts with: five criteria that many images should meet."""

from pathlib import Path

from kit.errors import Conflict, Invalid

_TEXT = '''"""{title}: what the image must hold, and what it must do."""

from graders.criteria import criterion, tiers
from graders.facts import Image, Run

IMAGE = "{name}:1"


@criterion(points=2, image=IMAGE, hints=["Run it without arguments. What does it say?"])
def test_starts(container: Run) -> None:
    """It starts without arguments and ends well."""
    result = container()
    assert result.code == 0, f"It ends with exit code {{result.code}} and says: {{result.err.strip()}}"


@criterion(points=1, image=IMAGE, hints=['CMD ["/program"]: a JSON list, an absolute path.'])
def test_exec_form(image: Image) -> None:
    """CMD or ENTRYPOINT is in exec form."""
    start = image.config["Entrypoint"] or image.config["Cmd"] or []
    assert start and start[0] != "/bin/sh", f"It starts {{start}}: a shell stands between you and your program."


def is_number_of_root(image: Image) -> bool:
    """User 0 is root under another name."""
    return (image.config["User"] or "").partition(":")[0] == "0"


@criterion(points=1, image=IMAGE, near=[is_number_of_root], hints=["USER, after the last step that needs root."])
def test_plain_user(image: Image) -> None:
    """The container does not start as root."""
    user = image.config["User"] or ""
    assert user.partition(":")[0] not in ("", "0", "root"), f"USER is {{user or 'not set'}}, so it starts as root."


@criterion(points=1, image=IMAGE)
def test_no_secrets(image: Image) -> None:
    """No layer holds a private key, also none that a later layer removes."""
    keys = [path for layer in image.layers for path in layer.files if path.endswith((".pem", "id_rsa", ".env"))]
    assert not keys, f"{{', '.join(keys[:3])}}: what a layer holds can be read by whoever has the image."


@criterion(points=2, image=IMAGE, after=[test_starts])
def test_small(image: Image) -> None:
    """It stores at most 10 MB (50 MB: 1 point)."""
    stored = image.stored
    tiers(stored, [(10_000_000, 2), (50_000_000, 1)], f"It stores {{stored:,}} bytes. What in it is never used?")
'''


def write_rubric(number: str, title: str, folder: Path) -> Path:
    """Writes ``rubric_NN_title.py`` into ``folder``.

    Raises:
        Invalid: ``number`` is none, or ``title`` has no letters. Conflict: there is such a file.
    """
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in title.lower()).split()
    if not (number.isascii() and number.isdigit()):
        raise Invalid(f"a rubric is named by a number, such as 42, not {number!r}")
    if not words:
        raise Invalid(f"{title!r} holds no letters to name a file by")
    path = folder / f"rubric_{number}_{'_'.join(words)}.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(_TEXT.format(title=" ".join(title.replace('"', "").split()), name="-".join(words)))
    except FileExistsError as error:
        raise Conflict(f"{path} is there already") from error
    except OSError as error:
        raise Invalid(f"{path} can't be written: {error.strerror}") from error
    return path
