"""What each audited text must hold beyond the grammar, so that what its command checks is what it publishes."""

import re

from otaopenssl.errors import quoted
from otaopenssl.layout import CERTIFICATE_NAME, GATEWAY_ROOT_NAME, KEY_NAME, SERVER_NAMES
from otaopenssl.shellwords import Place, Word, literal, refuse
from otaopenssl.signing_steps import SIGNING_KIND
from otaopenssl.steps import Step, Text

SEALING_NAMES = ("seal.sh", "seal-add.sh")
EXPORT_NAME = "export.sh"
TEXT_NAMES = (
    *("root.sh", "device.sh", "gateway.sh", "gateway-port.sh", "server.sh", "rehearse.sh"),
    *(*SEALING_NAMES, EXPORT_NAME),
)

_SERVER_PLACES = frozenset({"CWD", "SERVER_NAME", "SERVER_DIR", "DEVICES_DIR"})
_DEVICE_PLACES = _SERVER_PLACES | {"DEVICE_UUID", "device_id", "device_dir"}
# root.crt can be fetched for no device in particular: then there is a directory to write it to, and no more.
_GATEWAY_PLACES = frozenset({"CWD", "SERVER_NAME", "SERVER_DIR", "device_dir", "device_gateway"})
_SEALING_PLACES = frozenset({"sealed_dir", "sealed_name", "signer_cert", "signer_key"})
_PLACES_BY_TEXT = {
    "root.sh": _SERVER_PLACES,
    "device.sh": _DEVICE_PLACES,
    "gateway.sh": _GATEWAY_PLACES,
    "gateway-port.sh": _GATEWAY_PLACES | {"device_gateway_port"},
    "server.sh": _SERVER_PLACES,
    "rehearse.sh": _DEVICE_PLACES | {"device_gateway", "device_gateway_port"},
    "seal.sh": _SEALING_PLACES,
    "seal-add.sh": _SEALING_PLACES,
    EXPORT_NAME: _DEVICE_PLACES | {"export_dir"},
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
CA_CERTIFICATE_WORD: Word = (Place("DEVICES_DIR"), "/ca.crt")
_CA_WORDS: dict[str, Word] = {"-CA": CA_CERTIFICATE_WORD, "-CAkey": (Place("DEVICES_DIR"), "/ca.key")}
_REHEARSAL_ADDRESSES: dict[str, Word] = {
    "-accept": ("127.0.0.1:", Place("device_gateway_port")),
    "-connect": (Place("device_gateway"), ":", Place("device_gateway_port")),
}
_EXPORT_WORDS: dict[str, Word] = {
    "-in": CERTIFICATE_WORD,
    "-inkey": (Place("device_dir"), f"/{KEY_NAME}"),
    "-certfile": CA_CERTIFICATE_WORD,
    "-passout": ("stdin",),
    "-out": (Place("export_dir"), "/device.p12"),
}
# What a team may choose: names, ciphers and digest; and what older readers need.
_EXPORT_CHOICES = frozenset({"-name", "-caname", "-keypbe", "-certpbe", "-macalg", "-iter"})
_EXPORT_FLAGS = frozenset({"-legacy", "-maciter"})
_NEEDED_OUTPUTS: dict[str, tuple[Word, ...]] = {
    "root.sh": ((Place("DEVICES_DIR"), "/ca.key"), CA_CERTIFICATE_WORD),
    "device.sh": ((Place("device_dir"), f"/{KEY_NAME}"), CERTIFICATE_WORD),
    "server.sh": tuple((Place("SERVER_DIR"), f"/{name}") for name in SERVER_NAMES),
    "gateway.sh": (_GATEWAY_ROOT_WORD,),
    "gateway-port.sh": (_GATEWAY_ROOT_WORD,),
}


def check_text(text: Text, name: str) -> None:
    """Raise BadInput, with file, line and reason, unless the text can be run as the one called ``name``."""
    _check_places(text, name)
    _check_server(text, name)
    _check_outputs(text, name)
    for only, check in _CHECKS.items():
        if name in only:
            check(text)
    _check_needed_outputs(text, name)


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


def _check_needed_outputs(text: Text, name: str) -> None:
    written = {word for step in text.steps for word in step.output_words}
    for needed in _NEEDED_OUTPUTS.get(name, ()):
        if needed not in written:
            place = _OUTPUT_PLACE[name]
            refuse(text.file, text.steps[-1].line, f"no command up to here writes ${{{place}}}{needed[1]}")


def _check_server(text: Text, name: str) -> None:
    """A server would not end by itself, and what is signed is a seal or an approval."""
    for step in text.steps:
        if step.kind.startswith("cms") and name not in SEALING_NAMES:
            refuse(text.file, step.line, f"'openssl cms' may stand in {' and '.join(SEALING_NAMES)} alone")
        if step.has("s_server") and name != "rehearse.sh":
            refuse(text.file, step.line, "'openssl s_server' may stand in rehearse.sh alone")


def _check_fetching(text: Text) -> None:
    """One step asks the gateway, and it alone writes root.crt, since nothing else is published."""
    for step in text.steps:
        asks = step.kind == "s_client | sed"
        if asks != bool(_written(step)) or (asks and step.redirect != _GATEWAY_ROOT_WORD):
            refuse(text.file, step.line, "one 's_client … | sed …', and it alone, must write ${device_dir}/root.crt")
        for option in ("-nbio", "-prexit", "-reconnect"):
            if asks and step.has(option):
                refuse(text.file, step.line, f"'{option}' prints a chain that belongs to another handshake")
        if asks and not _is_gateway_address(step.option("-connect") or ()):
            refuse(text.file, step.line, "'-connect' must be ${device_gateway}: and a port")
    fetching = [step for step in text.steps if step.redirect]
    if len(fetching) > 1:
        refuse(text.file, fetching[1].line, "a second 's_client … | sed …' would write root.crt again")


def _is_gateway_address(word: Word) -> bool:
    """Whether a word is the gateway's host and a port, so that what is said of the gateway is true."""
    if word[:1] != (Place("device_gateway"),):
        return False
    if word[1:] == (":", Place("device_gateway_port")):
        return True
    return len(word) == 2 and isinstance(word[1], str) and re.fullmatch(r":[0-9]{1,5}", word[1]) is not None


def _check_rehearsing(text: Text) -> None:
    """One gateway, and clients that connect to it with a certificate and without one; none of them writes anything."""
    for step in text.steps:
        if step.kind not in ("s_server", "s_client") or _written(step):
            refuse(text.file, step.line, "rehearse.sh may hold s_server and s_client alone, which write nothing")
        for option, word in _REHEARSAL_ADDRESSES.items():
            if step.has(option) and step.option(option) != word:
                refuse(text.file, step.line, f"{option} must be as in the tool's own rehearse.sh")
    kinds = [(step.kind, step.option("-cert") is not None) for step in text.steps]
    if kinds.count(("s_server", True)) != 1 or not {("s_client", True), ("s_client", False)} <= set(kinds):
        what = "one s_server with '-cert', and s_clients with '-cert' and without"
        refuse(text.file, text.steps[-1].line, f"rehearse.sh must hold {what}")


def _check_signing(text: Text) -> None:
    """One step signs, and it alone writes the device certificate, so that what is checked is what is published."""
    for step in text.steps:
        is_signing = step.kind == SIGNING_KIND
        if is_signing:
            _check_signer(text, step)
        elif step.option("-CA") or step.option("-CAkey"):
            refuse(text.file, step.line, "only 'openssl x509 -req' may sign")
        if is_signing != (CERTIFICATE_WORD in _written(step)):
            refuse(text.file, step.line, "one 'openssl x509 -req', and it alone, must write ${device_dir}/client.pem")
    signing = [step for step in text.steps if step.kind == SIGNING_KIND]
    if len(signing) > 1:
        refuse(text.file, signing[1].line, "a second signing: each device has one certificate and one serial number")


def _check_signer(text: Text, step: Step) -> None:
    """The fleet root CA that is checked beforehand must be the one that signs."""
    if step.has("-set_serial"):
        refuse(text.file, step.line, "option '-set_serial' would give every device the same serial number")
    for option, word in _CA_WORDS.items():
        if step.option(option) != word:
            refuse(text.file, step.line, f'{option} must be "${{DEVICES_DIR}}{word[1]}"')


def _check_sealing(text: Text) -> None:
    """One command, which signs with what the user has named, and nothing else of all that cms can do."""
    is_adding = text.file.endswith(SEALING_NAMES[1])
    sealed: Word = (Place("sealed_dir"), "/", Place("sealed_name"))
    words: dict[str, Word] = {
        "-in": (*sealed, ".p7s") if is_adding else sealed,
        "-signer": (Place("signer_cert"),),
        "-inkey": (Place("signer_key"),),
        "-out": (*sealed, ".added.p7s" if is_adding else ".p7s"),
        "-passin": ("stdin",),
        "-outform": ("DER",),
    }
    if is_adding:
        words["-inform"] = ("DER",)
    step = text.steps[0]
    kind = "cms -resign" if is_adding else "cms -sign"
    if len(text.steps) > 1 or step.kind != kind or step.redirect or step.may_fail:
        refuse(text.file, text.steps[-1].line, f"the text must be one 'openssl {kind}'")
    if any(step.option(option) != word for option, word in words.items()):
        refuse(text.file, step.line, f"{', '.join(words)} must be as in the tool's own text")
    allowed = {(word,) for word in (*kind.split(), "openssl", "-binary", "-cades", "-md", *words)} | set(words.values())
    digests = {("sha256",), ("sha384",), ("sha512",)}
    if not set(step.commands[0]) <= allowed | digests or not (step.has("-binary") and step.has("-cades")):
        refuse(text.file, step.line, "only '-binary', '-cades', both needed, and '-md' may stand beside these options")


def _check_exporting(text: Text) -> None:
    """One command, which puts the device's own files into one that its passphrase encrypts, and nothing else."""
    step = text.steps[0]
    if len(text.steps) > 1 or step.kind != "pkcs12" or not step.has("-export") or step.redirect or step.may_fail:
        refuse(text.file, text.steps[-1].line, "the text must be one 'openssl pkcs12 -export'")
    if any(step.option(option) != word for option, word in _EXPORT_WORDS.items()):
        refuse(text.file, step.line, f"{', '.join(_EXPORT_WORDS)} must be as in the tool's own text")
    words = iter(step.commands[0][2:])
    for word in words:
        option = literal(word)
        if option in _EXPORT_WORDS or option in _EXPORT_CHOICES:
            value = next(words, ("",))
            if str(value[0]).startswith("-") or (option == "-keypbe" and str(value[0]).upper() == "NONE"):
                refuse(text.file, step.line, f"{quoted(value[0])} is no value of '{option}'")
        elif option != "-export" and option not in _EXPORT_FLAGS:
            allowed = ", ".join(sorted(_EXPORT_CHOICES | _EXPORT_FLAGS))
            refuse(text.file, step.line, f"only {allowed} may stand beside {', '.join(_EXPORT_WORDS)}")


def _written(step: Step) -> tuple[Word, ...]:
    link = step.link_word()
    return step.output_words if link is None else (*step.output_words, link)


_CHECKS = {
    ("device.sh",): _check_signing,
    ("gateway.sh", "gateway-port.sh"): _check_fetching,
    ("rehearse.sh",): _check_rehearsing,
    SEALING_NAMES: _check_sealing,
    (EXPORT_NAME,): _check_exporting,
}
