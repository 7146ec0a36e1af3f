"""Checks of the openssl program: whether it can run the guide, by what means, and what it would load."""

from collections.abc import Mapping
from pathlib import Path

from otaopenssl.builds import OPENSSL_CNF
from otaopenssl.cnf import parse_config
from otaopenssl.doctor_check import Check, Look, Subject, judged, not_tried, ok, problem, warning
from otaopenssl.durable import read_bounded
from otaopenssl.errors import Error
from otaopenssl.outputs import parse_version
from otaopenssl.providers import BASE, DEFAULT, FIPS, Provider, asks_for_fips, parse_providers
from otaopenssl.questions import PROVIDERS
from otaopenssl.reports import unread
from otaopenssl.runner import Runner

# The first with seals, with providers, and that is still supported.
_MODERN = (3,)
_LARGEST_BUNDLE = 64 * 1024 * 1024
_KERNEL_FIPS = Path("/proc/sys/crypto/fips_enabled")


def _openssl(subject: Subject, name: str) -> Check:
    launched = subject.launched
    if isinstance(launched, Error):
        return judged(name, [launched], "")
    words = f"{launched.version}, {launched.program}"
    if _is_modern(launched):
        return ok(name, words)
    hint = "use OpenSSL 3.0 or newer: 1.1.1 gets no more security fixes, and makes no seals"
    return warning(name, f"{words}: it is out of support", hint)


def _providers(subject: Subject, name: str) -> Check:
    runner = subject.runner
    if runner is None:
        return not_tried(name, "openssl")
    if not _is_modern(runner):
        return ok(name, "none: they came with OpenSSL 3.0")
    finished = runner.ask(PROVIDERS, cwd=subject.server.project_dir)
    found = parse_providers(finished.stdout.decode("utf-8", "replace"))
    if not finished.is_good or found is None:
        raise unread(finished, "its list of providers")
    active = {provider.name: provider for provider in found if provider.is_active}
    return _judged_providers(name, active, is_fips=_is_fips_asked_for(runner))


def _judged_providers(name: str, active: Mapping[str, Provider], *, is_fips: bool) -> Check:
    """What the providers that work mean for the guide, whose P-256 keys and SHA-256 signatures FIPS allows."""
    shown = ", ".join(f"{one.name} {one.version}".rstrip() for one in active.values()) or "none"
    hint = f"activate the default provider in {OPENSSL_CNF}, or base and fips"
    if not {DEFAULT, FIPS} & active.keys():
        return problem(name, f"active: {shown}; none of them makes the guide's keys", hint)
    if not {DEFAULT, BASE} & active.keys():
        return problem(name, f"active: {shown}; none of them reads or writes a key file", hint)
    if FIPS in active and (is_fips or DEFAULT not in active):
        words = f"active: {shown}; FIPS is in force: the guide's commands are allowed, a PKCS#12 archive may not be"
        return warning(name, words, "where credentials.zip cannot be read name the gateway by '--gateway' and '--pin'")
    return ok(name, f"active: {shown}; FIPS is not in force")


def _trust_bundle(subject: Subject, name: str) -> Check:
    runner = subject.runner
    if runner is None:
        return not_tried(name, "openssl")
    path = Path(runner.openssl_dir) / "cert.pem"
    try:
        content = read_bounded(path, _LARGEST_BUNDLE)
    except (OSError, ValueError):
        return ok(name, f"none in {path}")
    quantity = content.count(b"-----BEGIN CERTIFICATE-----") + content.count(b"-----BEGIN TRUSTED CERTIFICATE-----")
    size = f"{len(content) / 1024:.0f} KiB, {quantity} certificates"
    return ok(name, f"{path}: {size}, which SSL_CERT_FILE=/dev/null keeps each x509 from loading")


def _is_modern(runner: Runner) -> bool:
    version = parse_version(runner.version)
    return version is not None and version.number >= _MODERN


def _is_fips_asked_for(runner: Runner) -> bool:
    """Whether openssl.cnf or the kernel puts FIPS in force, where its provider is active."""
    try:
        if read_bounded(_KERNEL_FIPS).strip() == b"1":
            return True
    except OSError:
        # Most kernels have no such switch.
        pass
    try:
        path = Path(runner.openssl_dir) / OPENSSL_CNF
        return asks_for_fips(parse_config(read_bounded(path), str(path)))
    except (OSError, ValueError, Error):
        return False


CHECKS: Mapping[str, Look] = {"openssl": _openssl, "providers": _providers, "trust-bundle": _trust_bundle}
