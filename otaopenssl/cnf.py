"""An OpenSSL configuration file → its sections, as far as a fault can be seen before openssl runs.

Source: config(5). What a value means is openssl's to judge; here only the shape is checked, and never more strictly
than openssl does it.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from otaopenssl.errors import BadInput

DEFAULT_SECTION = "default"
# As openssl compares: a section may be named before, and letters follow.
_DIRECTIVE = re.compile(r"(?:[^\s=:]*::\s*)?\.(include|pragma)[^\s=]*[\s=]*(.*)")
# Settings whose values are files: of object identifiers, and of code.
_LOADING = frozenset({"oid_file", "module", "dynamic_path"})


class Config(NamedTuple):
    """The sections of a configuration file by name; settings before the first header are in ``default``.

    ``includes`` are the paths of its ``.include`` lines, ``loaded`` those of other files that its settings have openssl
    read; ``is_complete`` is false where a directive may bring in more.
    """

    sections: Mapping[str, Mapping[str, str]]
    includes: tuple[str, ...]
    loaded: tuple[str, ...]
    is_complete: bool

    def value(self, section: str, name: str) -> str | None:
        """The setting of a section, else that of the default section, as openssl looks it up."""
        found = self.sections.get(section, {}).get(name)
        return found if found is not None else self.sections.get(DEFAULT_SECTION, {}).get(name)


def parse_config(content: bytes, file: str) -> Config:
    """The sections of a configuration file; ``file`` names it in messages.

    Raises BadInput with file and line where openssl would not read it: a NUL, a line without '=', an open '['.
    """
    if b"\0" in content:
        raise malformed(file, "it holds a NUL character")
    text = content.removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    sections: dict[str, dict[str, str]] = {DEFAULT_SECTION: {}}
    section = sections[DEFAULT_SECTION]
    includes: list[str] = []
    loaded: list[str] = []
    is_complete = True
    for number, line in _logical_lines(text):
        if directive := _DIRECTIVE.match(line):
            is_complete = False
            if directive[1] == "include":
                includes.append(directive[2])
            elif directive[2].startswith("includedir"):
                # It makes names mean files elsewhere; as a name it is one that nobody may include.
                includes.append(line)
        elif line.startswith("["):
            name, bracket, _ = line[1:].partition("]")
            if not bracket:
                raise malformed(f"{file}, line {number}", "'[' without ']'")
            section = sections.setdefault(name.strip(), {})
        else:
            name, equals, value = line.partition("=")
            if not equals:
                raise malformed(f"{file}, line {number}", "no '=': a setting is written 'name = value'")
            owner, colons, own_name = name.strip().partition("::")
            (sections.setdefault(owner, {}) if colons else section)[own_name if colons else owner] = value.strip()
            loaded += [value.strip()] if (own_name if colons else owner) in _LOADING else []
    return Config(sections, tuple(includes), tuple(loaded), is_complete)


def malformed(where: str, fault: str) -> BadInput:
    """The error for a configuration file; ``where`` names it, perhaps with a line."""
    return BadInput(f"{where}: {fault}", hint="compare it with the tool's own: otaopenssl config diff")


def _logical_lines(text: str) -> list[tuple[int, str]]:
    """The lines that say something, comments cut and continuations joined, with the number of their first line."""
    found = []
    joined, first = "", 1
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not joined:
            first = number
        # As openssl looks: at the last two characters, in a comment as well.
        whole = joined + line
        if whole.endswith("\\") and not whole.endswith("\\\\"):
            joined = whole[:-1]
            continue
        stripped = _without_comment(whole).strip()
        joined = ""
        if stripped:
            found.append((first, stripped))
    if joined.strip():
        found.append((first, joined.strip()))
    return found


def _without_comment(line: str) -> str:
    """The line up to a '#' that stands in no quotes."""
    match = re.match(r"""(?:[^#"'\\]|\\.|"[^"]*"|'[^']*'|["'\\])*""", line)
    return match[0] if match else line
