"""One use case: whether this machine and this project are fit to issue devices. Source: docs/doctor.md."""

from collections.abc import Collection, Mapping, Sequence

from otaopenssl import doctor_ca, doctor_keys, doctor_openssl, doctor_owners, doctor_place, doctor_server, doctor_texts
from otaopenssl.doctor_check import Check, Look, State, Subject, judged, problem
from otaopenssl.errors import Error, Failed, quoted, reason
from otaopenssl.layout import Server
from otaopenssl.questions import CERTIFICATE_REPORT, PROVIDERS, PUBLIC_KEY_REPORT, SELF_SIGNED_CHECK, VERSION

CHECKS: Mapping[str, Look] = {
    **doctor_openssl.CHECKS,
    **doctor_place.CHECKS,
    **doctor_texts.CHECKS,
    **doctor_ca.CHECKS,
    **doctor_keys.CHECKS,
    **doctor_owners.CHECKS,
    **doctor_server.CHECKS,
}


def examine(subject: Subject, accepted: Collection[str] = ()) -> list[Check]:
    """What every check came to, always in the same order. Changes nothing; one that cannot be made is a problem.

    Problems of the checks that are named in ``accepted`` are accepted ones.
    """
    checks = (_looked(subject, name, look) for name, look in CHECKS.items())
    return [_accepted(check) if check.name in accepted else check for check in checks]


def failure(checks: Sequence[Check]) -> Failed | None:
    """The error for checks among which there are problems."""
    quantity = sum(check.state is State.PROBLEM for check in checks)
    if not quantity:
        return None
    return Failed(f"{quantity} problem{'' if quantity == 1 else 's'}", hint="do what the hints in the table say")


def commands(server: Server) -> list[tuple[str, ...]]:
    """Every openssl command that the checks may run; those about the fleet root CA where it is there."""
    return [
        VERSION.argv(),
        PROVIDERS.argv(),
        CERTIFICATE_REPORT.argv(file=str(server.ca_crt_path)),
        PUBLIC_KEY_REPORT.argv(file=str(server.ca_key_path)),
        SELF_SIGNED_CHECK.argv(file=str(server.ca_crt_path)),
    ]


def _accepted(check: Check) -> Check:
    return check._replace(state=State.ACCEPTED) if check.state is State.PROBLEM else check


def _looked(subject: Subject, name: str, look: Look) -> Check:
    try:
        return look(subject, name)
    except Error as error:
        return judged(name, [error], "")
    except OSError as error:
        what = f"{quoted(error.filename)}: " if error.filename else ""
        return problem(name, f"{what}{reason(error)}", "check what it is, its owner and mode")
