"""The audited texts as files: the tool's own under templates/procedures/, or a team's in a directory of its own."""

import os
from pathlib import Path

from otaopenssl.durable import not_writable, read_bounded, sync_file, write_new
from otaopenssl.errors import BadInput, Unfit, quoted, raise_all, reason
from otaopenssl.interrupts import hold_for_good
from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME, SERVER_NAMES
from otaopenssl.procedure import Step, Text, parse_text
from otaopenssl.resources import templates_dir
from otaopenssl.shellwords import Place, Word, refuse

DEFAULT_PROCEDURE = "ota-connect-2019.7"
TEXT_NAMES = ("root.sh", "device.sh", "gateway.sh", "gateway-port.sh", "server.sh")

_SERVER_PLACES = frozenset({"CWD", "SERVER_NAME", "SERVER_DIR", "DEVICES_DIR"})
_DEVICE_PLACES = _SERVER_PLACES | {"DEVICE_UUID", "device_id", "device_dir"}
# root.crt can be fetched for no device in particular: then there is a directory to write it to, and no more.
_GATEWAY_PLACES = frozenset({"CWD", "SERVER_NAME", "SERVER_DIR", "device_dir", "device_gateway"})
_PLACES_BY_TEXT = {
    "root.sh": _SERVER_PLACES,
    "device.sh": _DEVICE_PLACES,
    "gateway.sh": _GATEWAY_PLACES,
    "gateway-port.sh": _GATEWAY_PLACES | {"device_gateway_port"},
    "server.sh": _SERVER_PLACES,
}
# What `device` and `root` publish and check; a text of a team's own must keep to it.
_OUTPUT_PLACE = {
    "root.sh": "DEVICES_DIR",
    "server.sh": "SERVER_DIR",
    "device.sh": "device_dir",
    "gateway.sh": "device_dir",
    "gateway-port.sh": "device_dir",
}
CERTIFICATE_WORD: Word = (Place("device_dir"), f"/{CERTIFICATE_NAME}")
_GATEWAY_ROOT_WORD: Word = (Place("device_dir"), f"/{GATEWAY_ROOT_NAME}")
_CA_WORDS: dict[str, Word] = {"-CA": (Place("DEVICES_DIR"), "/ca.crt"), "-CAkey": (Place("DEVICES_DIR"), "/ca.key")}
_NEEDED_OUTPUTS: dict[str, tuple[Word, ...]] = {
    "root.sh": ((Place("DEVICES_DIR"), "/ca.key"), (Place("DEVICES_DIR"), "/ca.crt")),
    "device.sh": ((Place("device_dir"), "/pkey.pem"), CERTIFICATE_WORD),
    "server.sh": tuple((Place("SERVER_DIR"), f"/{name}") for name in SERVER_NAMES),
    "gateway.sh": (_GATEWAY_ROOT_WORD,),
    "gateway-port.sh": (_GATEWAY_ROOT_WORD,),
}


class Procedure:
    """A set of audited texts by its name and directory; each text is read once, so that what is shown is what runs."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._directory = directory
        self._contents: dict[str, bytes] = {}
        self._texts: dict[str, Text] = {}

    def text_names(self) -> tuple[str, ...]:
        """The names of the texts that it has, in the order of the guide."""
        return tuple(name for name in TEXT_NAMES if (self._directory / name).is_file())

    def content(self, name: str) -> bytes:
        """The bytes of a text. Raises Unfit where it is missing or cannot be read."""
        if name not in self._contents:
            try:
                self._contents[name] = read_bounded(self._directory / name)
            except OSError as error:
                raise Unfit(
                    f"procedure {quoted(self.name)} has no readable {quoted(name)}: {reason(error)}",
                    hint="start from the tool's own texts: otaopenssl procedure export",
                ) from error
        return self._contents[name]

    def text(self, name: str) -> Text:
        """The parsed text ``name``, checked to make what its command publishes.

        Raises BadInput with file, line and reason; Unfit where the text is missing.
        """
        if name not in self._texts:
            text = parse_text(self.content(name), str(Path(self.name) / name))
            _check_places(text, name)
            _check_outputs(text, name)
            self._texts[name] = text
        return self._texts[name]

    def check_all(self) -> None:
        """Raise BadInput, with every reason at once, unless each text of the directory can be run."""
        problems = []
        for name in self.text_names():
            try:
                self.text(name)
            except BadInput as error:
                problems.append(error)
        raise_all(problems)


def sha256(content: bytes) -> str:
    """The SHA-256 digest as lower-case hexadecimal."""
    # Imported here because it loads libcrypto, which costs more than most commands' own work.
    import hashlib

    return hashlib.sha256(content).hexdigest()


def built_in_procedures() -> tuple[Procedure, ...]:
    """The procedures that come with the tool, by name."""
    directories = sorted((templates_dir() / "procedures").iterdir())
    return tuple(Procedure(directory.name, directory) for directory in directories if directory.is_dir())


def find_procedure(option: str, cwd: Path) -> Procedure:
    """The procedure that ``--procedure NAME|DIR`` means: a built-in name, else a directory, from ``cwd``.

    A team's own texts must all parse. Raises BadInput where there is neither, or a text is refused.
    """
    built_in = {procedure.name: procedure for procedure in built_in_procedures()}
    if option in built_in:
        return built_in[option]
    hint = f"give a directory or one of: {', '.join(built_in)}"
    if not option.isprintable():
        raise BadInput(f"the name of procedure {quoted(option)} must be printable", hint="rename the directory")
    if not option or not (cwd / option).is_dir():
        raise BadInput(f"no procedure {quoted(option)}: neither a built-in name nor a directory", hint=hint)
    procedure = Procedure(option, cwd / option)
    if not procedure.text_names():
        raise BadInput(f"no procedure {quoted(option)}: the directory holds none of {', '.join(TEXT_NAMES)}", hint=hint)
    procedure.check_all()
    return procedure


def export(procedure: Procedure, directory: Path) -> tuple[str, ...]:
    """The names of a procedure's texts, copied into the new directory ``directory``, all or none.

    Raises Unfit where the directory is there already or cannot be made.
    """
    contents = {name: procedure.content(name) for name in procedure.text_names()}
    if os.path.lexists(directory):
        raise Unfit(f"{quoted(directory)} is there already", hint="name a directory that is not there yet")
    # From here to the rename is a moment; a signal that comes in it finds the export done.
    hold_for_good()
    staging = directory.with_name(f".{directory.name}.{os.getpid()}.new")
    try:
        staging.mkdir()
        try:
            for name, content in contents.items():
                write_new(staging / name, content)
            staging.rename(directory)
        except BaseException:
            for name in contents:
                (staging / name).unlink(missing_ok=True)
            staging.rmdir()
            raise
        sync_file(directory.parent)
    except OSError as error:
        raise not_writable(error, str(directory)) from error
    return tuple(contents)


def _check_places(text: Text, name: str) -> None:
    """A place has a value only in the texts that its command runs."""
    for step in text.steps:
        for place in step.places():
            if place not in _PLACES_BY_TEXT[name]:
                refuse(text.file, step.line, f"${{{place}}} has no value in {name}")


def _check_outputs(text: Text, name: str) -> None:
    place = _OUTPUT_PLACE.get(name)
    for step in text.steps if place else ():
        for word in _written(step):
            if word[0] != Place(str(place)):
                refuse(text.file, step.line, f"an output of {name} must begin with ${{{place}}}/")
            if name == "root.sh" and word not in _NEEDED_OUTPUTS[name]:
                refuse(text.file, step.line, "root.sh may write ${DEVICES_DIR}/ca.key and ${DEVICES_DIR}/ca.crt alone")
    if name == "device.sh":
        _check_signing(text)
    if name in ("gateway.sh", "gateway-port.sh"):
        _check_fetching(text)
    written = {word for step in text.steps for word in _written(step)}
    for needed in _NEEDED_OUTPUTS.get(name, ()):
        if needed not in written:
            refuse(text.file, text.steps[-1].line, f"no command up to here writes ${{{place}}}{needed[1]}")


def _check_fetching(text: Text) -> None:
    """One step asks the gateway, and it alone writes root.crt, since nothing else is published."""
    for step in text.steps:
        asks = step.kind == "s_client | sed"
        if asks != bool(_written(step)) or (asks and step.redirect != _GATEWAY_ROOT_WORD):
            refuse(text.file, step.line, "one 's_client … | sed …', and it alone, must write ${device_dir}/root.crt")
        if asks and (step.option("-connect") or ("",))[0] != Place("device_gateway"):
            refuse(text.file, step.line, "'-connect' must begin with ${device_gateway}")
    fetching = [step for step in text.steps if step.redirect]
    if len(fetching) > 1:
        refuse(text.file, fetching[1].line, "a second 's_client … | sed …' would write root.crt again")


def _check_signing(text: Text) -> None:
    """One step signs, and it alone writes the device certificate, so that what is checked is what is published."""
    for step in text.steps:
        is_signing = step.kind == "x509 -req"
        if is_signing:
            _check_signer(text, step)
        elif step.option("-CA") or step.option("-CAkey"):
            refuse(text.file, step.line, "only 'openssl x509 -req' may sign")
        if is_signing != (CERTIFICATE_WORD in _written(step)):
            refuse(text.file, step.line, "one 'openssl x509 -req', and it alone, must write ${device_dir}/client.pem")
    signing = [step for step in text.steps if step.kind == "x509 -req"]
    if len(signing) > 1:
        refuse(text.file, signing[1].line, "a second signing: each device has one certificate and one serial number")


def _check_signer(text: Text, step: Step) -> None:
    """The fleet root CA that is checked beforehand must be the one that signs."""
    if step.has("-set_serial"):
        refuse(text.file, step.line, "option '-set_serial' would give every device the same serial number")
    for option, word in _CA_WORDS.items():
        if step.option(option) != word:
            refuse(text.file, step.line, f'{option} must be "${{DEVICES_DIR}}{word[1]}"')


def _written(step: Step) -> tuple[Word, ...]:
    link = step.link_word()
    return step.output_words() if link is None else (*step.output_words(), link)
