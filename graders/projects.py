"""Projects that assignments hand out: a directory with everything but a good Dockerfile.

The files are the same for everybody but for the learner's word, so a rubric knows what went in.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import kit
from graders import family

SECRETS = ("secret.env", "debug.log", "logs/old.log", ".git/config")
"""What no layer of the quotes service may hold."""
PORT = 8080
DOCKERFILE = """\
ARG VERSION=dev
FROM busybox:1
LABEL org.opencontainers.image.version=$VERSION
RUN cd /app
ADD . .
RUN rm secret.env
ADD download.tar public/
COPY theme.tar public/theme/
EXPOSE 80
USER quotes
ENTRYPOINT ./quotes.sh serve
"""
"""Ten faults, with the ``.dockerignore`` that is missing."""
_SCRIPT = f"""\
#!/bin/sh
# quotes.sh serve    serves the quotes on port {PORT}, until it is told to stop
# quotes.sh --help   says so
case "$1" in
    serve)
        trap 'kill "$server"; exit 0' TERM
        httpd -f -p {PORT} -h public &
        server=$!
        wait "$server"
        ;;
    --help)
        echo "usage: quotes.sh serve | --help"
        ;;
    *)
        echo "quotes.sh: there is no command '$1'" >&2
        exit 2
        ;;
esac
"""


def quotes(nonce: str) -> dict[str, bytes | str]:
    """The quotes service of notebook 04."""
    return {
        "Dockerfile": DOCKERFILE,
        "quotes.sh": _SCRIPT,
        "public/index.html": f"<p>Whoever says {nonce} has read the file.</p>\n",
        "theme.tar": kit.tar({"style.css": "body { font: 1em serif }\n"}),
        "download.tar": kit.tar({"quotes.txt": "All that glitters has a cache.\n"}),
        **{path: f"{path} of {nonce}\n" for path in SECRETS},
    }


_INSTALL = """\
#!/bin/sh
for package in $(cat packages.txt); do
    mkdir -p "lib/$package" && tar xf "vendor/$package.tar" -C "lib/$package" && echo "installed $package"
done
cat /proc/sys/kernel/random/uuid > lib/number   # no two installations are the same
"""


def shop(nonce: str) -> dict[str, bytes | str]:
    """The slow shop of notebook 06: packages that are installed, a page, and what no image needs."""
    return {
        "packages.txt": "greeting\nclock\n",
        "vendor/greeting.tar": kit.tar({"greeting.sh": "echo Hello\n"}),
        "vendor/clock.tar": kit.tar({"clock.sh": "date\n"}),
        "install.sh": _INSTALL,
        "page": f"{nonce} sells clocks\n",
        "README": "How to build this\n",
        "debug.log": "started\n",
        ".git/config": "[core]\n",
        "node_modules/diary": "Dear diary\n",
    }


_PROJECTS: Mapping[str, Callable[[str], Mapping[str, bytes | str]]] = {"04": quotes, "05": family.files, "06": shop}


def write_project(notebook: str, nonce: str) -> Path:
    """Writes the project of the notebook's assignment anew; its directory.

    Raises:
        NotFound: the assignment hands none out.
    """
    if notebook not in _PROJECTS:
        raise kit.NotFound(f"the assignment of notebook {notebook} hands out no project")
    return kit.folder(f"a{notebook}-{nonce}", _PROJECTS[notebook](nonce))
