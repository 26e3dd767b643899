"""A directory that GitHub builds and pushes: ``kit.repository``.

What is added to a Dockerfile is a ``.dockerignore`` and one workflow. Its steps are the commands that you type by
hand: build, log in, push. The token is a secret of the repository and goes to ``docker login`` through standard
input, never through a command line. A pull request of a stranger is built, and nothing of it is pushed.

Source: GitHub, "Workflow syntax", "Security hardening for GitHub Actions"; docker login(1), ``--password-stdin``.
"""

from pathlib import Path

from kit.errors import Conflict, Invalid, NotFound
from kit.oci.reference import parse_reference
from kit.views.models.github import RepositoryCard

WORKFLOW = ".github/workflows/image.yml"
IGNORED = """\
# What the image does not need is not sent to the builder.
.git
.github
.dockerignore
Dockerfile
README.md
*.log
.env
"""
_WORKFLOW = """\
# Builds the image at every push and pull request; what is pushed to main, and every tag, goes to the registry.
# Under Settings → Secrets and variables → Actions: the variable DOCKER_ACC is your account,
# the secret DOCKER_TOKEN an access token of it that may read and write, and nothing else.
name: Image

on:
  push:
    branches: [main]
    tags: ["v*"]
  pull_request:

permissions:
  contents: read

env:
  REGISTRY: docker.io
  DOCKER_ACC: ${{ vars.DOCKER_ACC }}
  DOCKER_REPO: @IMAGE@
  IMG_TAG: ${{ github.ref_type == 'tag' && github.ref_name || 'edge' }}

jobs:
  image:
    runs-on: ubuntu-24.04
    timeout-minutes: 30
    steps:
      - uses: actions/checkout@v4
        with:
          persist-credentials: false

      - name: Build
        run: docker build --tag "$REGISTRY/$DOCKER_ACC/$DOCKER_REPO:$IMG_TAG" .

      - name: Log in
        if: github.event_name == 'push'
        run: printf '%s' "$DOCKER_TOKEN" | docker login --username "$DOCKER_ACC" --password-stdin "$REGISTRY"
        env:
          DOCKER_TOKEN: ${{ secrets.DOCKER_TOKEN }}

      - name: Push
        if: github.event_name == 'push'
        run: docker push "$REGISTRY/$DOCKER_ACC/$DOCKER_REPO:$IMG_TAG"
"""


def repository(directory: str | Path, image: str) -> RepositoryCard:
    """Add to a directory with a Dockerfile what GitHub needs to build and push it as ``image``.

    ``image`` is the last part of the name, such as "app"; the account is a variable of the repository. May be
    repeated; a ``.dockerignore`` that is there stays as it is.

    Raises:
        NotFound: the directory holds no Dockerfile. Invalid: no image can have the name.
        Conflict: there is a workflow of that name which is not ours.
    """
    root = Path(directory).expanduser()
    if not (root / "Dockerfile").is_file():
        raise NotFound(f"{root} holds no Dockerfile: without one there is nothing to build")
    if "/" in image or ":" in image or "@" in image:
        raise Invalid(f"{image!r} must be the last part of a name, without registry, account and tag")
    parse_reference(f"account/{image}")
    text, workflow = _WORKFLOW.replace("@IMAGE@", image), root / WORKFLOW
    if workflow.exists() and not workflow.read_text().startswith(_WORKFLOW.partition("\n")[0]):
        raise Conflict(f"{workflow} is there, and somebody else wrote it: move it away first")
    workflow.parent.mkdir(parents=True, exist_ok=True)
    workflow.write_text(text)
    if not (root / ".dockerignore").exists():
        (root / ".dockerignore").write_text(IGNORED)
    shown = {name: (root / name).read_text(errors="replace") for name in ("Dockerfile", ".dockerignore", WORKFLOW)}
    return RepositoryCard(root, image, shown)
