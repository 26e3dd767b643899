"""From a Dockerfile to steps: stages, variables, configs, the history's words."""

from collections.abc import Mapping

import pytest

from kit.dockerfile.errors import DockerfileError
from kit.dockerfile.parse import parse_dockerfile
from kit.dockerfile.plan import DEFAULT_PATH, PlanOptions, plan
from kit.dockerfile.steps import (
    BuildContext,
    ConfigStep,
    CopyStep,
    Device,
    FromImage,
    FromStage,
    InlineFile,
    Mount,
    NamedContext,
    Plan,
    RunStep,
    Scratch,
    Step,
    WorkdirStep,
)
from kit.oci.config import ImageConfig, RunConfig
from kit.oci.descriptor import Platform

PARENT = ImageConfig.of(run=RunConfig(env=("PATH=/bin", "LANG=C"), cmd=("sh",), working_dir="/w", labels={"p": "1"}))


def planned(text: str, parents: Mapping[str, ImageConfig] | None = None, **options: object) -> Plan:
    def resolve(parent: FromImage | NamedContext) -> ImageConfig | None:
        return (parents or {}).get(parent.name, PARENT)

    return plan(parse_dockerfile(text), PlanOptions(**options), resolve)  # type: ignore[arg-type]


def steps(body: str, **options: object) -> tuple[Step, ...]:
    return planned("FROM p\n" + body, None, **options).target.steps


def last(body: str, **options: object) -> Step:
    return steps(body, **options)[-1]


def refusal(text: str, **options: object) -> str:
    with pytest.raises(DockerfileError) as error:
        planned(text, None, **options)
    return error.value.reason


@pytest.mark.parametrize(
    ("body", "created_by", "changes"),
    [
        ("ENV A=1 B=$LANG", "ENV A=1 B=C", {"env": ("PATH=/bin", "LANG=C", "A=1", "B=C")}),
        ("ENV LANG=de X=$LANG", "ENV LANG=de X=C", {"env": ("PATH=/bin", "LANG=de", "X=C")}),
        ("ENV A the 'rest'", "ENV A=the rest", {"env": ("PATH=/bin", "LANG=C", "A=the rest")}),
        ("LABEL a=$LANG p='2 3'", "LABEL a=C p=2 3", {"labels": {"p": "2 3", "a": "C"}}),
        ("USER $LANG:1", "USER C:1", {"user": "C:1"}),
        ("CMD echo $LANG", 'CMD ["/bin/sh" "-c" "echo $LANG"]', {"cmd": ("/bin/sh", "-c", "echo $LANG")}),
        ('CMD ["a", "b\\"c"]', 'CMD ["a" "b\\"c"]', {"cmd": ("a", 'b"c')}),
        ('ENTRYPOINT ["a"]', 'ENTRYPOINT ["a"]', {"entrypoint": ("a",), "cmd": None}),
        ("ENTRYPOINT []", "ENTRYPOINT []", {"entrypoint": None, "cmd": None}),
        ("EXPOSE 81-82/UDP 80", "EXPOSE [80/tcp 81/udp 82/udp]", {"exposed_ports": ("80/tcp", "81/udp", "82/udp")}),
        ('VOLUME ["/b", "/a"]', "VOLUME [/b /a]", {"volumes": ("/a", "/b")}),
        ('SHELL ["/bin/bash", "-c"]', "SHELL [/bin/bash -c]", {"shell": ("/bin/bash", "-c")}),
        ("STOPSIGNAL SIGINT", "STOPSIGNAL SIGINT", {"stop_signal": "SIGINT"}),
        ("WORKDIR sub", "WORKDIR /w/sub", {"working_dir": "/w/sub"}),
        ("WORKDIR /", "WORKDIR /", {"working_dir": "/"}),
        ("HEALTHCHECK NONE",
         "HEALTHCHECK {Test:[NONE] Interval:0s Timeout:0s StartPeriod:0s StartInterval:0s Retries:0}",
         {"healthcheck": {"Test": ["NONE"]}}),
        ("HEALTHCHECK --interval=90s --retries=2 CMD a b",
         "HEALTHCHECK {Test:[CMD-SHELL a b] Interval:1m30s Timeout:0s StartPeriod:0s StartInterval:0s Retries:2}",
         {"healthcheck": {"Test": ["CMD-SHELL", "a b"], "Interval": 90 * 10**9, "Retries": 2}}),
        ("ONBUILD RUN x", "", {"on_build": ("RUN x",)}),
        ("MAINTAINER me", "MAINTAINER me", {}),
        ("ARG A=1 B=$A C", "ARG A=1 B=1 C", {}),
    ],
)  # fmt: skip
def test_an_instruction_changes_the_config_and_is_told(
    body: str, created_by: str, changes: dict[str, object]
) -> None:
    step = last(body)
    assert step.created_by == created_by
    for name, value in changes.items():
        assert getattr(step.after.run, name) == value


def test_a_cmd_of_the_same_stage_survives_an_entrypoint() -> None:
    assert last('CMD ["a"]\nENTRYPOINT ["b"]').after.run.argv == ("b", "a")


def test_the_shell_of_the_stage_runs_shell_forms() -> None:
    run = last('SHELL ["/bin/bash", "-ec"]\nRUN a  b')
    assert isinstance(run, RunStep)
    assert run.argv == ("/bin/bash", "-ec", "a  b")


def test_run_sees_args_and_env_and_its_history_tells_the_args() -> None:
    run = last("ARG A=1\nARG B\nENV A=2\nUSER u\nRUN echo $A", build_args={"B": "x", "HTTP_PROXY": "p"})
    assert isinstance(run, RunStep)
    assert run.env == ("PATH=/bin", "LANG=C", "A=2", "B=x")
    assert run.created_by == "RUN |2 A=2 B=x /bin/sh -c echo $A # buildkit"
    assert run.title == "RUN echo 2"
    assert (run.user, run.working_dir) == ("u", "/w")
    assert run.proxy == ("HTTP_PROXY=p", "http_proxy=p")
    assert run.after.run.env == ("PATH=/bin", "LANG=C", "A=2")


@pytest.mark.parametrize(
    ("options", "mount"),
    [
        ("target=/a", Mount("bind", "/a", BuildContext())),
        ("target=a,src=/x/../y,rw", Mount("bind", "/w/a", BuildContext(), "/y", readonly=False)),
        ("type=cache,target=/c/", Mount("cache", "/c", Scratch(), id="/c", readonly=False)),
        ("type=cache,id=$LANG,target=/c,sharing=locked,mode=0700,uid=5",
         Mount("cache", "/c", id="C", readonly=False, sharing="locked", mode=0o700, uid=5)),
        ("type=tmpfs,target=/t,size=64m", Mount("tmpfs", "/t", readonly=False, size=64 << 20)),
        ("type=secret,id=s", Mount("secret", "/run/secrets/s", source="s", id="s")),
        ("type=secret,id=s,env=TOKEN,required", Mount("secret", "", source="s", id="s", env="TOKEN", required=True)),
        ("type=ssh", Mount("ssh", "", id="default")),
        ("from=base,target=/b", Mount("bind", "/b", FromStage(0))),
        ("from=busybox,target=/b,ro=true", Mount("bind", "/b", FromImage("busybox"))),
    ],
)  # fmt: skip
def test_a_mount_is_resolved(options: str, mount: Mount) -> None:
    run = planned(f"FROM p AS base\nFROM p\nRUN --mount={options} true").target.steps[-1]
    assert isinstance(run, RunStep)
    assert run.mounts == (mount,)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ("type=bnd,target=/a", 'unsupported mount type "bnd" (did you mean bind?)'),
        ("targt=/a", "unexpected key 'targt' in 'targt=/a' (did you mean target?)"),
        ("target", "invalid field 'target' must be a key=value pair"),
        ("target=/", 'invalid mount target "/"'),
        ("target=/a,mode=1", 'mode not allowed for "bind" type mounts'),
        ("type=secret", "invalid secret mount. one of source, target required"),
        ("type=secret,id=a,src=b", "both source and id can't be set"),
        ("target=/a,sharing=locked", "invalid cache sharing set for bind mount"),
        ("target=/a,size=1", "unexpected key 'size' for mount type 'bind'"),
        ("type=cache,target=/a,ro=maybe", "invalid value for ro: maybe"),
        ("type=cache,target=/a,uid=x", "invalid value x for uid"),
        ("from=late,target=/a", 'cannot mount from stage "late", stage needs to be defined before current command'),
    ],
)
def test_a_mount_that_cannot_be_is_refused(options: str, reason: str) -> None:
    assert refusal(f"FROM p AS early\nRUN --mount={options} x\nFROM p AS late", target="early").endswith(reason)


def test_a_heredoc_is_the_command_or_a_script_or_the_shells() -> None:
    plain, script, shell = steps("RUN <<E\na\nb\nE\nRUN <<-'E'\n\t#!/bin/x\n\ta\n\tE\nRUN cat <<E >f\na\nE\n")
    assert isinstance(plain, RunStep)
    assert isinstance(script, RunStep)
    assert isinstance(shell, RunStep)
    assert plain.argv == ("/bin/sh", "-c", "a\nb\n")
    assert script.argv == ("/bin/sh", "-c", "/dev/pipes/E")
    assert script.script == InlineFile("E", "#!/bin/x\na\n", 0o755)
    assert shell.argv == ("/bin/sh", "-c", "cat <<E >f\na\nE")


def test_copy_takes_files_from_the_dockerfile() -> None:
    copy = last("COPY --chown=$LANG --chmod=u+x <<A <<'B' x $LANG/\n$LANG 'q'\nA\n$LANG\nB\n")
    assert isinstance(copy, CopyStep)
    assert copy.files == (InlineFile("A", "C 'q'\n"), InlineFile("B", "$LANG\n"))
    assert (copy.from_, copy.sources, copy.dest) == (BuildContext(), ("x",), "/w/C/")
    assert copy.created_by == "COPY --chown=C --chmod=u+x x <<A <<B C/ # buildkit"


@pytest.mark.parametrize(
    ("dest", "absolute"),
    [(".", "/w/"), ("./", "/w/"), ("a", "/w/a"), ("a/.", "/w/a/."), ("/x/", "/x/"), ("../y", "/y")],
)
def test_a_destination_is_absolute_and_keeps_its_slash(dest: str, absolute: str) -> None:
    copy = last(f"COPY a {dest}")
    assert isinstance(copy, CopyStep)
    assert copy.dest == absolute


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("COPY https://example.com/a /", "source can't be a URL for COPY"),
        ("COPY git@example.com:a.git /", "source can't be a git ref for COPY"),
        ("ADD --checksum=sha256:1 a /", "checksum requires HTTP(S) or Git sources"),
        ("ADD --checksum=sha256:1 a b /", "checksum can't be specified for multiple sources"),
        ("ADD --keep-git-dir=true https://e.com/a.git?keep-git-dir=0 /", "inconsistent keep-git-dir configuration"),
        ("COPY --chmod=999 a b", "invalid chmod parameter: '999'. it should be octal string and between 0 and 07777"),
        ("COPY --chmod=u?x a b", "invalid syntax"),
        ("COPY --from=$LANG a b", "variable expansion is not supported for --from, define a new stage "
         "with FROM using ARG from global scope as a workaround"),
        ("COPY --from=7 a b", "invalid stage index 7"),
        ("COPY --from=0 a b", "circular dependency detected on stage: stage-0"),
        ("STOPSIGNAL BAD", "invalid signal: BAD"),
        ("EXPOSE 99999", "invalid containerPort: 99999"),
        ("EXPOSE 80/foo", 'invalid port: "80/foo": invalid proto: foo'),
        ("EXPOSE 2-1", "invalid containerPort: 2-1"),
        ("ENV A=${B:?must}", 'failed to process "${B:?must}": B: must'),
        ("RUN a\0b", "a NUL byte can stand in no path, variable or argument"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused(body: str, reason: str) -> None:
    assert refusal("FROM p\n" + body) == reason


def test_only_stages_that_the_target_needs_are_planned() -> None:
    text = "FROM a AS a\nFROM b AS b\nFROM c AS c\nCOPY --from=a x y\n"
    text += "FROM d AS d\nRUN --mount=from=b,target=/b x\nFROM c AS e"
    assert [s.stage.index for s in planned(text).stages] == [0, 2, 4]
    assert [s.stage.index for s in planned(text, target="D").stages] == [1, 3]
    assert refusal(text, target="dd") == 'target stage "dd" could not be found (did you mean d?)'


def test_from_finds_stages_scratch_contexts_and_images() -> None:
    text = "ARG V=1\nFROM i:$V AS one\nFROM scratch AS two\nFROM ctx AS three\nFROM one AS four\n"
    text += "FROM x AS five\nCOPY --from=one a b\n"
    text += (
        "COPY --from=two a b\nCOPY --from=three a b\nCOPY --from=four a b\nCOPY --from=img a b\nCOPY --from=ctx a b\n"
    )
    result = planned(text, contexts=frozenset({"ctx"}), build_args={"V": "2"})
    assert [stage.parent for stage in result.stages] == [
        FromImage("i:2"), Scratch(), NamedContext("ctx"), FromStage(0), FromImage("x")
    ]  # fmt: skip
    sources = [step.from_ for step in result.target.steps if isinstance(step, CopyStep)]
    assert sources == [*map(FromStage, range(4)), FromImage("img"), NamedContext("ctx")]


def test_a_context_can_stand_for_a_stage() -> None:
    only, _ = planned("FROM a AS dep\nRUN x\nFROM b\nCOPY --from=dep / /", contexts=frozenset({"dep"})).stages
    assert (only.parent, only.steps) == (NamedContext("dep"), ())


def test_a_stage_starts_where_its_parent_ended() -> None:
    result = planned("FROM p AS a\nARG X=1\nENV Y=2\nWORKDIR /v\nFROM a\nRUN echo $X$Y")
    run = result.target.steps[0]
    assert isinstance(run, RunStep)
    assert (run.title, run.working_dir) == ("RUN echo 12", "/v")
    assert result.stages[0].end == result.target.start


def test_scratch_has_a_path_and_a_directory() -> None:
    start = planned("FROM scratch").target.start
    assert start.run == RunConfig(env=(f"PATH={DEFAULT_PATH}",), working_dir="/")


def test_triggers_of_the_parent_come_first() -> None:
    parent = ImageConfig.of(run=RunConfig(on_build=("RUN a", "COPY --from=tool x y")))
    result = planned("FROM t AS tool\nFROM p AS p2\nONBUILD USER u\nRUN b\nFROM p2", {"p": parent})
    assert [step.title for stage in result.stages for step in stage.steps] == [
        "RUN a", "COPY --from=tool x y", "ONBUILD USER u", "RUN b", "USER u"
    ]  # fmt: skip
    assert [step.on_build for step in result.stages[1].steps] == [True, True, False, False]
    assert result.target.end.run.on_build == ()


def test_a_trigger_must_be_one_instruction() -> None:
    parent = ImageConfig.of(run=RunConfig(on_build=("RUN a\nRUN b",)))
    with pytest.raises(DockerfileError, match="onbuild trigger should be a single expression"):
        planned("FROM p", {"p": parent})


def test_args_have_their_scopes() -> None:
    text = (
        "ARG V=1\nARG W=$V\nFROM p\nRUN echo -$V-$W\nARG V\nARG W=3\nRUN echo -$V-$W\nARG TARGETARCH BUILDPLATFORM\n"
    )
    texts = [
        s.title for s in planned(text + "RUN echo $TARGETARCH $BUILDPLATFORM").target.steps if isinstance(s, RunStep)
    ]
    assert texts == ["RUN echo -$V-$W", "RUN echo -1-3", "RUN echo amd64 linux/amd64"]


def test_platforms_are_read_and_passed_on() -> None:
    result = planned("FROM --platform=linux/arm/v7 a", platform=Platform("linux", "arm64"))
    assert result.target.parent == FromImage("a", Platform("linux", "arm", "v7"))
    assert "pulled with platform" in result.warnings[-1].text
    assert refusal("FROM --platform=$X a") == "empty platform value from expression $X"
    assert refusal("FROM --platform=what a").startswith(
        'failed to parse platform what: "what": unknown operating system'
    )


def test_stages_may_only_need_earlier_ones() -> None:
    assert refusal("FROM p AS a\nCOPY --from=b x y\nFROM a AS b") == "circular dependency detected on stage: a"
    late = "FROM p AS a\nCOPY --from=b x y\nFROM p AS b\nFROM a"
    assert refusal(late) == 'cannot copy from stage "b", it needs to be defined before current stage "a"'


def test_labels_of_the_client_go_on_the_target_alone() -> None:
    result = planned("FROM p AS a\nLABEL x=1\nFROM a", labels={"x": "2"})
    assert [stage.end.run.labels for stage in result.stages] == [{"p": "1", "x": "1"}, {"p": "1", "x": "2"}]


def test_kinds_of_steps() -> None:
    kinds = [
        type(step)
        for step in steps("RUN --device=a.b/c=d,required x\nCOPY a b\nADD a b\nWORKDIR /a\nWORKDIR /\nENV A=1")
    ]
    assert kinds == [RunStep, CopyStep, CopyStep, WorkdirStep, ConfigStep, ConfigStep]
    run = steps("RUN --device=a.b/c=d,required x")[0]
    assert isinstance(run, RunStep)
    assert run.devices == (Device("a.b/c=d", required=True),)
