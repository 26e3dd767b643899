"""From bytes to logical lines: directives, comments, continuation lines, heredocs.

A logical line is what one instruction is written on. Each byte is read once.

Source: Dockerfile reference, "Format", "Parser directives", "Here-Documents"; BuildKit's parser for the limits.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from kit.dockerfile.errors import DockerfileError, Wrong
from kit.dockerfile.go import SPACE
from kit.dockerfile.instructions import Heredoc, Range
from kit.dockerfile.variables import Lexer

LONGEST_LINE = 65536  # bytes with the newline: the buffer of BuildKit's scanner
LARGEST_FILE = 2 << 20  # bytes: a Dockerfile is written by hand; more is another file by mistake
DIRECTIVES = ("syntax", "escape", "check")
_DIRECTIVE = re.compile(r"([a-zA-Z][a-zA-Z0-9]*)[\t\n\f\r ]*=(.*)", re.DOTALL)
_HEREDOC = re.compile(r"([0-9]*)<<(-?)[\t\n\f\r ]*([^<]*)", re.DOTALL)


@dataclass(frozen=True)
class Line:
    """One logical line: its text, joined; where it stands; the comments right above; its heredocs."""

    text: str
    at: Range
    comments: tuple[str, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()


class Text:
    """A Dockerfile as text, with the errors that point into it."""

    def __init__(self, data: str | bytes, filename: str) -> None:
        raw = data if isinstance(data, bytes) else data.encode("utf-8", "replace")
        self.filename = filename
        self.text = raw[:LARGEST_FILE].decode("utf-8", "replace").removeprefix("\ufeff")
        if len(raw) > LARGEST_FILE:
            raise self.error(Wrong(f"the Dockerfile is larger than {LARGEST_FILE} bytes"), None)
        if not raw:
            raise self.error(Wrong("the Dockerfile cannot be empty"), None)
        self.lines: list[str] = re.findall(r"[^\n]*\n|[^\n]+", self.text)
        for number, line in enumerate(self.lines, 1):
            size = len(line.encode()) + (0 if line.endswith("\n") else 1)
            if size > LONGEST_LINE:
                reason = f"dockerfile line greater than max allowed size of {LONGEST_LINE - 1}"
                raise self.error(Wrong(reason), Range(number, 1, number))

    def error(self, wrong: Wrong, at: Range | None) -> DockerfileError:
        """``wrong``, which happened at ``at``, as an error that shows its place."""
        return DockerfileError(wrong, text=self.text, filename=self.filename, at=at)


class Reader:
    """Reads logical lines one after the other. ``directives`` and ``escape`` are known after the first."""

    def __init__(self, text: Text) -> None:
        self.source, self.lines = text, text.lines
        self.at = 0  # physical lines read so far
        self.escape = "\\"
        self.directives: dict[str, str] = {}
        self.empty_continuations: list[Range] = []
        self._top = True  # directives are still possible

    def next(self) -> str | None:
        if self.at == len(self.lines):
            return None
        self.at += 1
        return self.lines[self.at - 1]

    def logical_lines(self) -> Iterator[Line]:
        """The lines that hold instructions. Heredocs are not read yet: that is ``heredocs_of``, before the next."""
        comments: list[str] = []
        while (raw := self.next()) is not None:
            stripped = raw.rstrip("\r\n").lstrip(SPACE)
            if self._directive(stripped):
                continue
            if stripped.startswith("#"):
                comment = raw[1:].strip(SPACE)
                if comment:
                    comments.append(comment)
                else:
                    comments.clear()
                continue
            text, more = self._continued(stripped)
            if not text and not more:
                continue
            yield self._joined(raw, text, more, tuple(comments))
            comments.clear()

    def _joined(self, raw: str, text: str, more: bool, comments: tuple[str, ...]) -> Line:
        start, column = self.at, len(raw) - len(raw.lstrip(SPACE)) + 1
        parts, empty = [text], False
        while more and (raw_more := self.next()) is not None:
            line = raw_more.rstrip("\r\n")
            blank = line.lstrip(SPACE)
            if blank.startswith("#"):
                continue
            if not blank:
                empty = True
                continue
            text, more = self._continued(line)
            parts.append(text)
        if empty:
            self.empty_continuations.append(Range(self.at, 1, self.at))
        return Line("".join(parts), Range(start, column, self.at), comments)

    def _continued(self, line: str) -> tuple[str, bool]:
        """``line`` without its continuation character, and whether it had one."""
        bare = line.rstrip(" \t")
        if bare.endswith(self.escape) and bare[-2:-1] != self.escape:
            return bare[:-1], True
        return line, False

    def _directive(self, line: str) -> bool:
        if not self._top:
            return False
        found = _DIRECTIVE.match(line[1:].lstrip(SPACE)) if line.startswith("#") else None
        name = found[1].lower() if found else ""
        value = found[2].strip("\t\n\f\r ") if found else ""
        if name not in DIRECTIVES or not value:
            self._top = False
            return False
        here = Range(self.at, 1, self.at)
        if name in self.directives:
            raise self.source.error(Wrong(f"only one {name} parser directive can be used"), here)
        self.directives[name] = value
        if name == "escape":
            if value not in ("`", "\\"):
                raise self.source.error(Wrong(f"invalid escape token '{value}' does not match ` or \\", value), here)
            self.escape = value
        return True

    def with_heredocs(self, line: Line) -> Line:
        """``line`` with the heredocs that it announces; their lines are taken.

        Raises:
            DockerfileError: a heredoc has no end.
        """
        found = []
        for heredoc in _announced(line.text):
            content = self._heredoc(heredoc)
            if content is None:
                at = replace(line.at, end_line=self.at)
                raise self.source.error(Wrong("unterminated heredoc", "<<"), at)
            found.append(replace(heredoc, content=content))
        return replace(line, heredocs=tuple(found), at=replace(line.at, end_line=self.at))

    def _heredoc(self, heredoc: Heredoc) -> str | None:
        content: list[str] = []
        while (raw := self.next()) is not None:
            end = raw.rstrip("\r\n")
            if (end.lstrip("\t") if heredoc.chomp else end) == heredoc.name:
                return "".join(content)
            content.append(raw)
        return None


def _announced(text: str) -> list[Heredoc]:
    lexer = Lexer(raw_quotes=True, raw_escapes=True, keep_unset=True)
    try:
        words = lexer.expand(text, {}).words
    except Wrong:
        return []
    return [heredoc for word in words if (heredoc := parse_heredoc(word))]


def parse_heredoc(word: str) -> Heredoc | None:
    """The heredoc that ``word`` (``<<EOF``, ``3<<-'END'``) announces, None if it is another word.

    Raises:
        Wrong: its quotes have no end.
    """
    found = _HEREDOC.fullmatch(word)
    if not found or not found[3]:
        return None
    lexer = Lexer(keep_unset=True)
    names = lexer.expand(found[3], {}).words
    if len(names) != 1:
        return None
    raw = lexer.with_(raw_quotes=True).expand(found[3], {}).words
    quoted = sum(map(raw[0].count, "'\"")) != sum(map(names[0].count, "'\"")) if raw else False
    return Heredoc(names[0], "", expand=not quoted, chomp=found[2] == "-", fd=int(found[1][:9] or 0))


def find_heredoc(word: str) -> Heredoc | None:
    """``parse_heredoc``, with None for what is wrong, too."""
    try:
        return parse_heredoc(word)
    except Wrong:
        return None
