"""Checks of what is audited: the texts, the configuration files, the approval, and what the host demands."""

import os
from collections.abc import Mapping

from otaopenssl import configs
from otaopenssl.approval import APPROVAL_NAME
from otaopenssl.doctor_check import Check, Look, State, Subject, judged, not_tried, ok, warning
from otaopenssl.errors import Error
from otaopenssl.gate import Intent, examined
from otaopenssl.layout import Server
from otaopenssl.policy import read_policy
from otaopenssl.texts import DEFAULT_PROCEDURE, Procedure, built_in_procedures

_CA_TEXTS = ("root.sh", "server.sh")


def _defaults(subject: Subject, name: str) -> Check:
    errors = [] if subject.settings is None else [subject.settings]
    return judged(name, errors, "otaopenssl.toml is in form, or there is none")


def _procedure(subject: Subject, name: str) -> Check:
    procedure = subject.procedure
    if isinstance(procedure, Error):
        return judged(name, [procedure], "")
    procedure.check_all()
    if procedure.is_built_in:
        return ok(name, f"{procedure.name}, as built in")
    guide = next(one for one in built_in_procedures() if one.name == DEFAULT_PROCEDURE)
    names = procedure.text_names()
    others = [text for text in names if text not in guide.text_names() or _differs(procedure, guide, text)]
    what = f"differs from {DEFAULT_PROCEDURE} in {', '.join(others)}" if others else f"the same as {DEFAULT_PROCEDURE}"
    return ok(name, f"{procedure.name}, of your own: {what}")


def _differs(procedure: Procedure, guide: Procedure, text: str) -> bool:
    return procedure.content(text) != guide.content(text)


def _config_files(subject: Subject, name: str) -> Check:
    procedure = subject.procedure
    if isinstance(procedure, Error):
        return not_tried(name, "procedure")
    server = subject.server
    needed = ["device.sh"] if os.path.lexists(server.ca_crt_path) else ["device.sh", "root.sh"]
    errors: list[Error] = []
    for text in needed:
        faults, rendered = _config_faults(server, procedure, text)
        errors += [*faults, *configs.check_writable(server, rendered)]
    if errors:
        return judged(name, errors, "")
    # No device is made by these: nobody may ever want what they make.
    errors += [
        error for text in _CA_TEXTS if text not in needed for error in _config_faults(server, procedure, text)[0]
    ]
    checked = judged(name, errors, "those that are there can be used; others are rendered when they are needed")
    return checked._replace(state=State.WARNING) if errors else checked


def _config_faults(server: Server, procedure: Procedure, text_name: str) -> tuple[list[Error], Mapping[str, bytes]]:
    """What is wrong with the configuration files of a text, and those that would have to be rendered."""
    try:
        text = procedure.text(text_name)
    except Error:
        # It is the procedure's problem, or it has no such text.
        return [], {}
    rendered = configs.missing(server, text)
    return configs.examine(server, text, rendered), rendered


def _config_difference(subject: Subject, name: str) -> Check:
    differing = [line.split()[1] for line in configs.diff(subject.server).splitlines() if line.startswith("+++ ")]
    if not differing:
        return ok(name, "none differs from the tool's own")
    words = f"{', '.join(differing)} {'differ' if len(differing) > 1 else 'differs'} from the tool's own"
    return warning(name, f"{words}, which is fine if that is approved", "look at it: otaopenssl config diff")


def _policy(_subject: Subject, name: str) -> Check:
    policy = read_policy()
    demands = ["an approval"] if policy.requires_approval or policy.approvers is not None else []
    if policy.approvers is not None:
        demands.append(f"signatures of {policy.approvers.signers}")
    return ok(name, f"this host demands {' and '.join(demands) or 'nothing'}")


def _approval(subject: Subject, name: str) -> Check:
    procedure = subject.procedure
    if isinstance(procedure, Error):
        return not_tried(name, "procedure")
    permission, refusal = examined(Intent(subject.server, procedure, procedure.text_names(), subject.program))
    if refusal is not None:
        return judged(name, [refusal], "")
    if permission.approval is None:
        return ok(name, f"no {APPROVAL_NAME}: whatever is here may run")
    return ok(name, f"nothing differs from {APPROVAL_NAME}")


CHECKS: Mapping[str, Look] = {
    "defaults": _defaults,
    "procedure": _procedure,
    "config-files": _config_files,
    "config-difference": _config_difference,
    "policy": _policy,
    "approval": _approval,
}
