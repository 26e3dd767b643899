"""Reading Dockerfiles: shapes, instructions, and errors that point at the place."""

import pytest

from kit.dockerfile import instructions as say
from kit.dockerfile.errors import DockerfileError
from kit.dockerfile.parse import parse_dockerfile

FROM = "FROM scratch\n"


def only(text: str) -> say.Instruction:
    (instruction,) = parse_dockerfile(FROM + text).stages[0].body
    return instruction


def refusal(text: str) -> DockerfileError:
    with pytest.raises(DockerfileError) as error:
        parse_dockerfile(text)
    return error.value


def test_the_error_shows_the_place_as_buildkit_does() -> None:
    error = refusal("FROM scratch\n\nCPOY a b\n")
    assert str(error) == (
        "Dockerfile:3\n"
        "--------------------\n"
        "   1 |     FROM scratch\n"
        "   2 |     \n"
        "   3 | >>> CPOY a b\n"
        "   4 |     \n"
        "--------------------\n"
        "dockerfile parse error on line 3: unknown instruction: CPOY (did you mean COPY?)"
    )
    assert (error.filename, error.line, error.column) == ("Dockerfile", 3, 1)


def test_a_column_is_named_where_it_is_not_the_first() -> None:
    error = refusal(FROM + "RUN \\\n  --mont=type=bind true\n")
    assert (error.line, error.column, error.end_line) == (3, 3, 3)
    assert str(error).startswith("Dockerfile:3:3\n")
    assert error.reason == "dockerfile parse error on line 2: unknown flag: --mont (did you mean mount?)"


def test_all_lines_of_an_instruction_are_marked() -> None:
    listing = refusal(FROM + "COPY \\\n a\nUSER x\n").excerpt
    assert listing.count(">>>") == 2


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("", "the Dockerfile cannot be empty", 0),
        ("# nothing\n\n", "file with no instructions", 0),
        ("ARG A\n", "dockerfile contains no stages to build", 0),
        ("RUN x\n", "no build stage in current context", 1),
        (FROM + "ENV A\n", "ENV must have two arguments", 2),
        (FROM + "ENV A=b c\n", """Syntax error - can't find = in "c". Must be of the form: name=value""", 2),
        (FROM + "ENV =b\n", "ENV names can not be blank", 2),
        (FROM + "ARG\n", "ARG requires at least one argument", 2),
        (FROM + "LABEL\n", "LABEL requires at least one argument", 2),
        (
            FROM + "COPY a\n",
            "COPY requires at least two arguments, but only one was provided. Destination could not be determined",
            2,
        ),
        (FROM + "COPY a <<E\nE\n", "COPY cannot accept a heredoc as a destination", 2),
        (FROM + "COPY <<E /a\nx\n", "unterminated heredoc", 2),
        (FROM + 'CMD ["a", 1]\n', "when using JSON array syntax, arrays must be comprised of strings only", 2),
        (FROM + "SHELL bash -c\n", "SHELL requires the arguments to be in JSON form", 2),
        (FROM + "USER\n", "USER requires exactly one argument", 2),
        (FROM + 'VOLUME [" "]\n', "VOLUME specified can not be an empty string", 2),
        (FROM + "EXPOSE\n", "EXPOSE requires at least one argument", 2),
        (FROM + "HEALTHCHECK\n", "HEALTHCHECK requires at least one argument", 2),
        (FROM + "HEALTHCHECK FOO x\n", 'Unknown type "FOO" in HEALTHCHECK (try CMD)', 2),
        (FROM + "HEALTHCHECK CMD\n", "Missing command after HEALTHCHECK CMD", 2),
        (FROM + "HEALTHCHECK NONE x\n", "HEALTHCHECK NONE takes no arguments", 2),
        (FROM + "HEALTHCHECK --interval=5 CMD x\n", 'time: missing unit in duration "5"', 2),
        (FROM + "HEALTHCHECK --interval=1us CMD x\n", 'Interval "interval" cannot be less than 1ms', 2),
        (FROM + "HEALTHCHECK --retries=-1 CMD x\n", "--retries cannot be negative (-1)", 2),
        (FROM + "ONBUILD\n", "ONBUILD requires at least one argument", 2),
        (FROM + "ONBUILD ONBUILD RUN x\n", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", 2),
        (FROM + "ONBUILD from x\n", "FROM isn't allowed as an ONBUILD trigger", 2),
        (FROM + "ONBUILD MAINTAINER x\n", "MAINTAINER isn't allowed as an ONBUILD trigger", 2),
        (FROM + "RUN --network=bad x\n", 'invalid network mode "bad"', 2),
        (FROM + "RUN --security=bad x\n", 'security "bad" is not valid', 2),
        (
            FROM + "RUN --mount=from=$A x\n",
            "'from' doesn't support variable expansion, define alias stage instead",
            2,
        ),
        (FROM + "COPY --link=maybe a b\n", "expecting boolean value for flag --link, not: maybe", 2),
        (FROM + "COPY --link= a b\n", "missing a value on flag: --link", 2),
        (FROM + "COPY --from a b\n", "missing a value on flag: --from", 2),
        (FROM + "COPY --from=a --from=b a b\n", "duplicate flag specified: --from", 2),
        (FROM + "WORKDIR --x /a\n", "unknown flag: --x", 2),
        (
            "FROM a as 1b\n",
            'invalid name for build stage: "1b", name can\'t start with a number or contain symbols',
            1,
        ),
        ("FROM a b\n", "FROM requires either one or three arguments", 1),
        ("# escape=x\n" + FROM, "invalid escape token 'x' does not match ` or \\", 1),
        ("# escape=`\n# escape=`\n" + FROM, "only one escape parser directive can be used", 2),
        (FROM + "RUN " + "a" * 70000, "dockerfile line greater than max allowed size of 65535", 2),
    ],
)
def test_what_is_no_dockerfile_is_refused(text: str, reason: str, line: int) -> None:
    error = refusal(text)
    assert error.reason.removeprefix(f"dockerfile parse error on line {line}: ") == reason
    assert error.line == line


def test_continuation_lines_comments_and_blank_lines_are_joined() -> None:
    run = only("RUN a \\\n# comment\n  b \\  \n\n c\nUSER x\n".replace("USER x\n", ""))
    assert isinstance(run, say.Run)
    assert run.command == say.Command(("a   b  c",), shell=True)
    assert (run.at.line, run.at.column, run.at.end_line) == (2, 1, 6)


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    parsed = parse_dockerfile("\ufeffFROM scratch\r\nRUN a \\\r\n  b\r\n".encode())
    run = parsed.stages[0].body[0]
    assert isinstance(run, say.Run)
    assert run.command.words == ("a   b",)


def test_directives_are_read_at_the_top_only() -> None:
    parsed = parse_dockerfile(
        "# syntax = docker/dockerfile:1 \n# Escape=`\n#check=skip=all\nFROM a\n#syntax=b\nRUN a `\nb\n"
    )
    assert parsed.directives == {"syntax": "docker/dockerfile:1", "escape": "`", "check": "skip=all"}
    assert parsed.escape == "`"
    assert parsed.stages[0].body[0].text == "RUN a b"


def test_heredocs_keep_their_lines() -> None:
    copy = only("COPY <<A <<-'B' c /d/\n$x\nA\n\ty\x0c\tz\n\tB\n")
    assert isinstance(copy, say.Copy)
    assert copy.sources == ("c",)
    assert copy.dest == "/d/"
    assert copy.heredocs == (
        say.Heredoc("A", "$x\n"),
        say.Heredoc("B", "\ty\x0c\tz\n", expand=False, chomp=True),
    )
    assert copy.heredocs[1].text == "y\x0c\tz\n", "a line ends at a newline and nowhere else"
    assert copy.at.end_line == 6


def test_a_file_descriptor_may_stand_before_a_heredoc() -> None:
    run = only("RUN cat 3<<E <&3\nhi\nE\n")
    assert isinstance(run, say.Run)
    assert run.heredocs == (say.Heredoc("E", "hi\n", fd=3),)


def test_a_trigger_takes_its_heredoc_along() -> None:
    assert only("ONBUILD RUN <<E\nhi\nE\n") == say.OnBuild(
        name="ONBUILD", text="ONBUILD RUN <<E", at=say.Range(2, 1, 4), trigger="RUN <<E\nhi\nE"
    )


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ('CMD ["a", "b\\u00e9"]', say.Command(("a", "bé"), shell=False)),
        ("CMD []", say.Command((), shell=False)),
        ("CMD", say.Command((), shell=True)),
        ("CMD ['a']", say.Command(("['a']",), shell=True)),
        ('CMD ["a"] b', say.Command(('["a"] b',), shell=True)),
        ("CMD  a  b ", say.Command(("a  b",), shell=True)),
    ],
)
def test_exec_form_and_shell_form(text: str, command: say.Command) -> None:
    cmd = only(text)
    assert isinstance(cmd, say.Cmd)
    assert cmd.command == command


def test_every_flag_of_copy_and_add_is_read() -> None:
    copy = only("COPY --chown=a:b --chmod=644 --link --parents --exclude=x --exclude=y --from=s a b/")
    assert isinstance(copy, say.Copy)
    assert (copy.chown, copy.chmod, copy.link, copy.parents) == ("a:b", "644", True, True)
    assert (copy.exclude, copy.from_) == (("x", "y"), "s")
    add = only("ADD --checksum=sha256:1 --keep-git-dir=false --unpack --link=false a b")
    assert isinstance(add, say.Add)
    assert (add.checksum, add.keep_git_dir, add.unpack, add.link) == ("sha256:1", False, True, False)


def test_every_flag_of_run_is_read() -> None:
    run = only(
        "RUN --mount=type=cache,target=/a --mount=type=ssh --network=none --security=insecure --device=d -- -x"
    )
    assert isinstance(run, say.Run)
    assert run.mounts == ("type=cache,target=/a", "type=ssh")
    assert (run.network, run.security, run.devices) == ("none", "insecure", ("d",))
    assert run.command.words == ("-x",)


def test_pairs_in_both_forms() -> None:
    env = only("ENV A=1 B='x y' C=a\\ b")
    assert isinstance(env, say.Env)
    assert env.pairs == (say.Pair("A", "1"), say.Pair("B", "'x y'"), say.Pair("C", "a\\ b"))
    label = only("LABEL a  the rest = of it")
    assert isinstance(label, say.Label)
    assert label.pairs == (say.Pair("a", "the rest = of it", legacy=True),)


def test_a_healthcheck_has_all_its_times() -> None:
    check = only(
        "HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=1h --start-interval=5ms --retries=3 CMD a"
    )
    assert isinstance(check, say.Healthcheck)
    assert check.test == ("CMD-SHELL", "a")
    times = (check.interval, check.timeout, check.start_period, check.start_interval, check.retries)
    assert times == (90 * 10**9, 1_500_000_000, 3600 * 10**9, 5_000_000, 3)


def test_stages_and_global_args_are_told_apart() -> None:
    parsed = parse_dockerfile("ARG A=1\nFROM --platform=$P a AS Build\nARG B\nFROM build\n")
    assert [arg.args for arg in parsed.globals] == [(say.ArgPair("A", "1"),)]
    first, second = parsed.stages
    assert (first.name, first.start.base, first.start.platform, len(first.body)) == ("build", "a", "$P", 1)
    assert (second.index, second.name, second.start.base) == (1, "", "build")
