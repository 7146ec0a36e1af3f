"""Checks of what is audited: the texts, the configuration files, the approval, and what the host demands."""

from collections.abc import Mapping

from otaopenssl import configs
from otaopenssl.approval import APPROVAL_NAME
from otaopenssl.doctor_check import Check, Look, Subject, judged, not_tried, ok, warning
from otaopenssl.errors import Error
from otaopenssl.gate import Intent, examined
from otaopenssl.policy import read_policy
from otaopenssl.texts import DEFAULT_PROCEDURE, Procedure, built_in_procedures

# What devices and certificate authorities are made by.
_MAKING_TEXTS = ("root.sh", "server.sh", "device.sh")


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
    errors: list[Error] = []
    for text_name in (one for one in _MAKING_TEXTS if one in procedure.text_names()):
        try:
            text = procedure.text(text_name)
        except Error:
            # The procedure's problem.
            continue
        rendered = configs.missing(subject.server, text)
        errors += configs.examine(subject.server, text, rendered)
        errors += configs.check_writable(subject.server, rendered)
    return judged(name, errors, "those that are there can be used; others are rendered when they are needed")


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
