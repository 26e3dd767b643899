"""Notebook 00, Start here: the tools work."""

from graders.criteria import criterion
from graders.facts import Image, Run


@criterion(
    points=1,
    exercise="00.1",
    image="hello:elf",
    hints=["Run the cell above: it builds the image and gives it this name."],
)
def test_greets(image: Image, run: Run, reference: str) -> None:
    """hello:elf starts and prints its greeting."""
    result = run(reference)
    assert result.code == 0, f"The container ended with exit code {result.code} and said: {result.err.strip()}"
    assert "Hello from a layer!" in result.out, f"It printed {result.out!r}."
