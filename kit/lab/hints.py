"""What an engine's words mean, and hints that lead on without telling the answer at once.

The texts on the left are those of Docker Engine 20.10 to 29, BuildKit, Podman and the embedded engine.
"""

import re
from typing import NamedTuple


class Hint(NamedTuple):
    """``meaning`` in a few words, ``steps`` in order of help."""

    meaning: str
    steps: tuple[str, ...] = ()


_TABLE: tuple[tuple[str, Hint], ...] = (
    (
        r'exec: "/bin/sh":|/bin/sh: no such file|stat /bin/sh',
        Hint(
            "shell form in an image without a shell",
            ("Which program is it trying to start?", 'Look at config["Cmd"].', "Use the JSON (exec) form."),
        ),
    ),
    (
        r"exec (user process caused:|\S+:) ?no such file or directory|standard_init_linux.*no such file",
        Hint(
            "the file is there, but not the program that it asks for: a dynamic loader, or the shell after #!",
            (
                "What does the file itself need? kit.elf.needs tells it of a program.",
                "Does its first line end in a carriage return, as on Windows?",
                "Link with -static, add the loader and the library, or convert the line ends to LF.",
            ),
        ),
    ),
    (
        r"exec format error",
        Hint(
            "made for another CPU, or a script without #!",
            ("What does kit.elf.describe say?", "Compare the image's architecture with this machine's."),
        ),
    ),
    (
        r'exec: "[^"]*": permission denied|exec \S+: permission denied|caused: permission denied',
        Hint(
            "the file may not be executed",
            ("Compare the modes in the layer.", "Give the file mode 0o755 in the build context."),
        ),
    ),
    (
        r'exec: "[^"]*": (executable file not found|stat )|executable file .* not found in \$PATH',
        Hint(
            "there is no such program in the image",
            ("Which files are in the image? kit.image(…).files lists them.", "Give the program's absolute path."),
        ),
    ),
    (r"[Nn]o command specified", Hint("neither CMD nor ENTRYPOINT says what to start", ("Add a CMD in exec form.",))),
    (
        r"/bin/sh: 1: \[|/bin/sh: \[\S+,: not found|sh: \[.*not found",
        Hint("exec form in single quotes was read as shell form", ("JSON needs double quotes.",)),
    ),
    (
        r"Unable to locate package|returned a non-zero code: 100|exit code: 100",
        Hint(
            "apt has no list of packages, or may not write",
            ("Is apt-get update in the same RUN?", "Which USER is this step? Installing needs root."),
        ),
    ),
    (
        r"outside the build context|forbidden path",
        Hint("COPY sees the build context only", ("The dot is the whole world: move the file into it.",)),
    ),
    (
        r"not found in build context|excluded by .dockerignore|failed to compute cache key.*not found"
        r"|failed to calculate checksum.*not found|COPY failed: (file not found|no source files|stat)",
        Hint(
            "COPY names a file that was not sent",
            ("Which files are in the build context?", "Does .dockerignore leave it out?"),
        ),
    ),
    (
        r"unknown instruction",
        Hint("a word at the beginning of a line that is no instruction", ("Is it a typing error?",)),
    ),
    (
        r"requires BuildKit|Unknown flag",
        Hint(
            "a feature of BuildKit, and this is the classic builder",
            ("Write the step without it.", "The docker command with buildx would accept it."),
        ),
    ),
    (r"No image was generated|dockerfile.*empty", Hint("FROM scratch alone makes nothing", ("Add one COPY.",))),
    (
        r"image does not exist locally with the tag|[Nn]o such image",
        Hint("no image has this name here", ("kit.tags() lists the names.",)),
    ),
    (r"no basic auth credentials", Hint("nobody is logged in to that registry", ("docker login comes first.",))),
    (r"incorrect username or password", Hint("the registry does not know this name and password")),
    (
        r"denied: requested access|access to the resource is denied",
        Hint("logged in, but not for this repository", ("Is the first part of the path your account?",)),
    ),
    (
        r"manifest unknown|manifest for .* not found",
        Hint("the registry has no such tag", ("Which tags does it have?",)),
    ),
    (
        r"invalid reference format|invalid tag format|repository name must be",
        Hint("a name that no image can have", ("Names are lower case: registry/repository:tag.",)),
    ),
    (
        r"'scratch' is a reserved name|reserved name",
        Hint("scratch is a word, not an image", ("It can be written after FROM, and nowhere else.",)),
    ),
    (
        r"no such host|connection refused|network is unreachable|Temporary failure in name resolution"
        r"|error pulling image|request canceled while waiting for connection",
        Hint(
            "the registry can't be reached",
            ("Is a parent image missing? kit.parents() makes those of the course here.",),
        ),
    ),
)
_COMPILED = tuple((re.compile(pattern), hint) for pattern, hint in _TABLE)
NO_HINT = Hint("")


def find_hint(*texts: str) -> Hint:
    """The first hint whose pattern is in one of ``texts``, which come in order of weight; ``NO_HINT`` if none is."""
    for text in texts:
        for pattern, hint in _COMPILED:
            if pattern.search(text):
                return hint
    return NO_HINT
