"""Which files a device directory holds by its audited text, and what each of them is for."""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import NamedTuple

from otaopenssl.ids import DeviceID, is_accepted, parse_device_id
from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME, KEY_NAME
from otaopenssl.shellwords import Place
from otaopenssl.steps import BoundStep, Text

_DEVICE_DIR = Place("device_dir")


class Role(StrEnum):
    """What a file of a device is."""

    KEY = "private key"
    SOURCE_KEY = "private key it is made from"
    REQUEST = "CSR"
    CERTIFICATE = "certificate"
    JOINED = "joined file"
    OTHER = "file"

    @property
    def is_key(self) -> bool:
        """Whether nobody but its owner may read it."""
        return self in (Role.KEY, Role.SOURCE_KEY)


class DeviceFile(NamedTuple):
    """A file of a device directory: its name, what it is, and the last step that writes it."""

    name: str
    role: Role
    step: BoundStep


def device_files(steps: Sequence[BoundStep]) -> tuple[DeviceFile, ...]:
    """The files that the steps of device.sh leave in the device directory, in the text's order, links left out."""
    writers = {output: step for step in steps for output in step.outputs}
    by_name = {_name(output): output for output in writers}
    key = writers[by_name[KEY_NAME]]
    certificate = writers[by_name[CERTIFICATE_NAME]]
    roles = {certificate.value("-in"): Role.REQUEST, key.value("-in"): Role.SOURCE_KEY}
    roles |= {by_name[KEY_NAME]: Role.KEY, by_name[CERTIFICATE_NAME]: Role.CERTIFICATE}
    found = []
    for output, step in writers.items():
        role = Role.JOINED if step.step.programs == ("cat",) else roles.get(output, Role.OTHER)
        found.append(DeviceFile(_name(output), role, step))
    return tuple(found)


def links(steps: Sequence[BoundStep]) -> tuple[tuple[str, str], ...]:
    """The links that the steps make: the name in the device directory, and the path that it leads to."""
    found = (step.commands[0] for step in steps if step.step.programs == ("ln",))
    return tuple((_name(words[3]), words[2]) for words in found)


class Naming(NamedTuple):
    """How the device ID stands in names of files: what is before and after it, and names that never hold one."""

    patterns: tuple[tuple[str, str], ...]
    fixed: frozenset[str]

    def device_id(self, names: Collection[str], uuid: str) -> DeviceID | None:
        """The device ID that most of the names in a device directory tell, the UUID where as many tell that.

        None where none tells one.
        """
        counts: dict[str, int] = {}
        for name in set(names) - self.fixed:
            for prefix, suffix in self.patterns:
                device_id = name.removeprefix(prefix).removesuffix(suffix)
                if f"{prefix}{device_id}{suffix}" == name and is_accepted(parse_device_id, device_id):
                    counts[device_id] = counts.get(device_id, 0) + 1
        if not counts:
            return None
        return DeviceID(min(counts, key=lambda one: (-counts[one], one != uuid, one)))


def naming_of(text: Text) -> Naming:
    """How the text names files after the device ID."""
    words = [word for step in text.steps for word in step.output_words if word[0] == _DEVICE_DIR]
    patterns = []
    for word in words:
        match word:
            case (_, str(before), Place("device_id")):
                patterns.append((before.removeprefix("/"), ""))
            case (_, str(before), Place("device_id"), str(after)):
                patterns.append((before.removeprefix("/"), after))
    linked = [link for step in text.steps if (link := step.link_word()) is not None]
    fixed = {str(word[1]).removeprefix("/") for word in (*words, *linked) if len(word) == 2}
    return Naming(tuple(dict.fromkeys(patterns)), frozenset({*fixed, GATEWAY_ROOT_NAME}))


def _name(path: str) -> str:
    return path.rpartition("/")[2]
