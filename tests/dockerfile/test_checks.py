"""BuildKit's build checks: each one on a Dockerfile that has it, and silence where silence was asked for."""

import pytest

from kit.dockerfile.checks import CheckWarning
from kit.dockerfile.errors import DockerfileError
from kit.dockerfile.ignore import parse_ignore
from kit.dockerfile.lint import check_ignored
from kit.dockerfile.parse import parse_dockerfile
from kit.dockerfile.plan import PlanOptions, plan
from kit.dockerfile.steps import Plan
from kit.oci.config import ImageConfig

JSON = "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals"


def planned(text: str) -> Plan:
    return plan(parse_dockerfile(text), PlanOptions(), lambda parent: ImageConfig.of())


def found(text: str) -> list[tuple[str, str, int]]:
    return [(warning.rule, warning.text, warning.line) for warning in planned(text).warnings]


@pytest.mark.parametrize(
    ("text", "rule", "message", "line"),
    [
        ("FROM a AS Bee", "StageNameCasing", "Stage name 'Bee' should be lowercase", 1),
        ("FROM a as b", "FromAsCasing", "'as' and 'FROM' keywords' casing do not match", 1),
        ("FROM a\nRUN b \\\n\n c", "NoEmptyContinuation", "Empty continuation line", 4),
        ("FROM a\nRun b\nRUN c", "ConsistentInstructionCasing",
         "Command 'Run' should match the case of the command majority (uppercase)", 2),
        ("FROM a AS b\nFROM c AS b", "DuplicateStageName",
         'Duplicate stage name "b", stage names should be unique', 2),
        ("FROM a AS scratch", "ReservedStageName",
         'Stage name should not use the same name as reserved stage "scratch"', 1),
        ("FROM a\nCMD b", "JSONArgsRecommended", JSON, 2),
        ("FROM a\nMAINTAINER b", "MaintainerDeprecated",
         "Maintainer instruction is deprecated in favor of using label", 2),
        ("ARG base=a\nFROM a$bse", "UndefinedArgInFrom",
         "FROM argument 'bse' is not declared (did you mean base?)", 2),
        ("FROM a\nENV NAME=x\nCOPY $NAM /y", "UndefinedVar",
         "Usage of undefined variable '$NAM' (did you mean $NAME?)", 3),
        ("FROM a\nWORKDIR b", "WorkdirRelativePath",
         'Relative workdir "b" can have unexpected results if the base image changes', 2),
        ('FROM a\nCMD ["b"]\nCMD ["c"]', "MultipleInstructionsDisallowed",
         "Multiple CMD instructions should not be used in the same stage because only the last one will be used", 2),
        ("FROM a\nENV b c", "LegacyKeyValueFormat",
         '"ENV key=value" should be used instead of legacy "ENV key value" format', 2),
        ("FROM --platform=$TARGETPLATFORM a", "RedundantTargetPlatform", "Setting platform to predefined "
         "$TARGETPLATFORM in FROM is redundant as this is the default behavior", 1),
        ("FROM --platform=linux/amd64 a", "FromPlatformFlagConstDisallowed",
         'FROM --platform flag should not use constant value "linux/amd64"', 1),
        ("FROM a\nENV GITHUB_TOKEN=x", "SecretsUsedInArgOrEnv",
         'Do not use ARG or ENV instructions for sensitive data (ENV "GITHUB_TOKEN")', 2),
        ("FROM a\nARG password", "SecretsUsedInArgOrEnv",
         'Do not use ARG or ENV instructions for sensitive data (ARG "password")', 2),
        ("ARG tag\nFROM a:$tag AS b\nFROM c", "InvalidDefaultArgInFrom",
         "Default value for ARG a:$tag results in empty or invalid base image name", 2),
        ("#check=experimental=all\n\n# what\nFROM a AS b", "InvalidDefinitionDescription",
         "Comment for FROM should follow the format: `# b <description>`", 4),
        ("FROM a\nEXPOSE 80/TcP", "ExposeProtoCasing",
         "Defined protocol '80/TcP' in EXPOSE instruction should be lowercase", 2),
        ("FROM a\nEXPOSE 127.0.0.1:80:80", "ExposeInvalidFormat", "EXPOSE instruction should not define an "
         "IP address or host-port mapping, found '127.0.0.1:80:80'", 2),
    ],
)  # fmt: skip
def test_a_check_finds_what_it_is_for(text: str, rule: str, message: str, line: int) -> None:
    assert found(text) == [(rule, message, line)]


@pytest.mark.parametrize(
    "text",
    [
        'FROM a AS b\nWORKDIR /x\nWORKDIR y\nENV A=1\nRUN echo $NO\nCMD ["c"]\nEXPOSE 80/udp',
        "from a as b\nrun c",
        "FROM --platform=linux/amd64 a AS linux-build",
        "FROM a\nENV PUBLIC_KEY=1 TOKEN_FILE=/x AUTHOR=me",
        'FROM a\nSHELL ["/bin/bash", "-c"]\nCMD b',
        "FROM a\nARG NAME\nLABEL x=$NAME",
        "FROM a\n# about\nARG b",
        'FROM a AS b\nCMD ["c"]\nFROM b\nCMD ["d"]',
    ],
)
def test_a_good_dockerfile_has_no_finding(text: str) -> None:
    assert found(text) == []


def test_findings_can_be_silenced() -> None:
    assert found("#check=skip=JSONArgsRecommended,MaintainerDeprecated\nFROM a\nCMD b\nMAINTAINER c") == []
    assert found("#check=skip=all\nFROM a\nCMD b") == []
    assert found("FROM a\n# check=skip=JSONArgsRecommended\nCMD b\nENTRYPOINT c")[0][2] == 4


def test_findings_can_be_errors() -> None:
    with pytest.raises(DockerfileError, match=r"^lint violation found for rules: JSONArgsRecommended$"):
        planned("# check=error=true\nFROM a\nCMD b")


def test_check_options_that_there_are_not_are_refused() -> None:
    with pytest.raises(DockerfileError, match='failed to parse check options: invalid check option "foo"'):
        planned("# check=foo=bar\nFROM a")


def test_copying_what_is_ignored_is_found() -> None:
    steps = planned("FROM a\nARG F=x.log\nCOPY $F b.txt /\nADD *.log /\nCOPY --from=c x.log /\nCOPY . /").target.steps
    warnings = list(check_ignored([step.instruction for step in steps], parse_ignore("*.log\n")))
    assert [(w.text, w.line) for w in warnings] == [
        ('Attempting to Copy file "x.log" that is excluded by .dockerignore', 3),
        ('Attempting to Add file "*.log" that is excluded by .dockerignore', 4),
    ]
    assert not list(check_ignored([step.instruction for step in steps], parse_ignore("*.log\n!y.log\n")))


def test_a_finding_names_its_page() -> None:
    assert CheckWarning("JSONArgsRecommended", "", 1).url.endswith("/rule/json-args-recommended/")
    assert str(CheckWarning("UndefinedVar", "text", 3)) == "UndefinedVar: text (line 3)"
