"""Guess first, then measure: ``kit.predict``, ``kit.measured``. A wrong guess is remembered better than no guess."""

import json
from typing import Any

from kit.errors import Invalid
from kit.lab.home import find_home
from kit.lab.progress import progress, read_progress
from kit.views.models.lesson import Guess


def predict(question: str, guess: Any) -> Guess:
    """Write down a guess; a new one replaces the old one.

    Raises:
        Invalid: it is no plain value.
    """
    try:
        json.dumps(guess)
    except (TypeError, ValueError) as error:
        raise Invalid(f"a guess is a number, a text, True or False, a list or a dict, not {guess!r}") from error
    with progress(find_home()) as document:
        document["guesses"][question] = guess
    return Guess(question, guess)


def measured(question: str, value: Any) -> Guess:
    """What it really is, beside the guess."""
    return Guess(question, read_progress(find_home())["guesses"].get(question), value)
