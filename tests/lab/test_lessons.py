"""What a lesson offers beside its results: guesses, checks with hints and solutions, and starting over."""

import json

import pytest

import kit
from kit.lab.home import find_home
from kit.lab.ledger import note

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("LAYERLAB_HOME", str(tmp_path / "home"))
    return find_home()


# ---- guesses


@pytest.mark.parametrize(
    ("guess", "measured", "words"),
    [
        (1_000_000, 176, "It is 5,682 times smaller than you guessed."),
        (100, 350, "It is 3.5 times larger than you guessed."),
        (176, 176, "Exactly."),
        (175, 176, "Very close."),
        (0, 7, "It is 7 more."),
        (-3, -10, "It is 7 less."),
        (True, False, "It is another one."),
        (["a"], ["a", "b"], "It is another one."),
        ("x", 1, "It is another one."),
    ],
)
def test_a_guess_is_shown_against_the_measurement(home, guess, measured, words):
    assert kit.predict("q", guess).text().startswith("Noted: ")
    shown = kit.measured("q", measured)
    assert words in shown.text() and "Measured: " in shown.html()


def test_a_guess_survives_the_notebook(home):
    kit.predict("q", 5)
    assert json.loads(home.progress.read_text())["guesses"] == {"q": 5}


def test_without_a_guess_the_measurement_stands_alone(home):
    assert 'kit.predict("q", …)' in kit.measured("q", 1).text()


def test_a_guess_is_a_plain_value(home):
    with pytest.raises(kit.Invalid, match="a guess is a number"):
        kit.predict("q", object())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"guesses": 5}', "\x00", '{"guesses": {"q": 5}, "checks": []}'])
def test_a_progress_file_that_can_not_be_read_is_begun_anew(home, text):
    home.root.mkdir()
    home.progress.write_text(text)
    kit.predict("r", 1)
    assert "Your guess: 1" in kit.measured("r", 2).text()


# ---- checks


def test_a_check_says_what_is_missing_and_remembers_the_best(lab, home):
    wrong = kit.check("03.1", answers={"tiny": True})
    assert 0 < wrong.points < wrong.max and "Hint 1 of 3" in wrong._repr_html_()
    right = dict.fromkeys(("tiny", "static"), True) | dict.fromkeys(
        ("shellform", "dynamic", "noexec", "otherarch"), False
    )
    assert kit.check("03.1", answers=right).passed
    kit.check("03.1", answers={})
    assert json.loads(home.progress.read_text())["checks"]["03.1"]["points"] == 6


def test_hints_come_one_by_one(lab, home):
    kit.check("03.1", answers={})
    shown = [kit.hint("03.1") for _ in range(4)]
    assert [len(hints.hints) for hints in shown] == [1, 2, 3, 3]
    assert "Hint 1 of 3" in shown[0].text() and 'kit.solution("03.1")' not in shown[0].text()
    assert 'That was the last one. kit.solution("03.1")' in shown[3].text()


def test_there_are_hints_before_the_first_check(lab, home):
    assert len(kit.hint("03.6").hints) == 1


def test_nothing_missing_no_hint(lab, home):
    right = dict.fromkeys(("tiny", "static"), True) | dict.fromkeys(
        ("shellform", "dynamic", "noexec", "otherarch"), False
    )
    kit.check("03.1", answers=right)
    assert "nothing is missing" in kit.hint("03.1").text()


def test_a_solution_waits_for_an_attempt_once(home):
    assert "You have not tried 03.2 yet" in kit.solution("03.2").text()
    shown = kit.solution("03.2")
    assert "FROM scratch" in shown.code and "FROM scratch" in shown.html()


def test_every_exercise_with_a_solution_cell_has_a_solution(home):
    for number in range(1, 7):
        kit.solution(f"03.{number}")
        compile(kit.solution(f"03.{number}").code, "solution", "exec")


@pytest.mark.parametrize("exercise", ["03.99", "98.1", "", "../x"])
def test_an_exercise_that_does_not_exist(lab, home, exercise):
    with pytest.raises(kit.NotFound):
        kit.solution(exercise)


# ---- starting over


def test_reset_removes_what_the_notebook_made_and_nothing_else(lab, home, hello, mine, monkeypatch):
    monkeypatch.setenv("LAYERLAB_NOTEBOOK", "77")
    ours, other = hello("ours", text="1\n"), f"{mine}/others:1"
    kit.tag(ours, f"{mine}/second:1")
    monkeypatch.setenv("LAYERLAB_NOTEBOOK", "78")
    kit.tag("busybox:1", other)
    monkeypatch.setenv("LAYERLAB_NOTEBOOK", "77")
    done = kit.reset("77")
    assert sorted(done.removed) == [ours, f"{mine}/second:1"] and not done.kept
    assert list(kit.tags(mine)) == [other] and "busybox:1" in kit.tags()
    assert "has made nothing that is still here" in kit.reset("77").text()


def test_reset_leaves_a_name_that_leads_elsewhere_by_now(lab, home, hello, mine, monkeypatch):
    monkeypatch.setenv("LAYERLAB_NOTEBOOK", "77")
    name = hello("moved")
    monkeypatch.setenv("LAYERLAB_NOTEBOOK", "78")
    hello("moved", text="another\n")
    assert not kit.reset("77").removed and name in kit.tags(mine)


def test_reset_leaves_what_a_container_uses_and_says_so(lab, home, hello, monkeypatch):
    monkeypatch.setenv("LAYERLAB_NOTEBOOK", "77")
    name = hello("used")
    container = lab.client.containers.create(name)
    try:
        done = kit.reset("77")
        assert [kept for kept, _ in done.kept] == [name] and name in done.text()
    finally:
        container.remove()
    assert kit.reset("77").removed == [name]


def test_reset_takes_images_that_lost_their_name(lab, home, hello, monkeypatch):
    monkeypatch.setenv("LAYERLAB_NOTEBOOK", "77")
    hello("app", text="first\n")
    first = kit.image(hello("app", text="1st\n")).id
    hello("app", text="second\n")
    assert lab.client.images.get(first)
    kit.reset("77")
    assert first not in {image.id for image in lab.client.images.list(all=True)}


def test_a_row_of_the_ledger_whose_image_is_gone_is_no_trouble(lab, home, monkeypatch):
    monkeypatch.setenv("LAYERLAB_NOTEBOOK", "77")
    note(home, "gone/gone:1", "sha256:" + "0" * 64)
    assert not kit.reset("77").removed
