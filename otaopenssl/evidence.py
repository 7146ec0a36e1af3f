"""The evidence of a run: it is held to what was approved, and leaves a record whatever comes of it."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from otaopenssl import __version__, dsse, locks, previous, scratch
from otaopenssl.account import Account, Result, timestamp
from otaopenssl.approval import APPROVAL_NAME, SIGNATURES_NAME
from otaopenssl.builds import OPENSSL_CNF, openssl_configs
from otaopenssl.dead_runs import seal_dead_runs
from otaopenssl.departures import DEPARTURES
from otaopenssl.digest import sha256
from otaopenssl.durable import not_writable
from otaopenssl.errors import Error
from otaopenssl.interrupts import held
from otaopenssl.layout import Server
from otaopenssl.materials import CA_CRT, whole_environment
from otaopenssl.permission import Permission, Watch
from otaopenssl.record import Part, Record, Seal, begun, part_path, parts
from otaopenssl.records import check_chain, records_dir
from otaopenssl.recovery import left_lines
from otaopenssl.runner import Runner
from otaopenssl.signing import Signer, check_knows_cades, signed
from otaopenssl.statement import Beginning
from otaopenssl.texts import Procedure
from otaopenssl.wholeness import Issued

_PROBE_NAME = "probe"

# Is called just before something is published, and may still raise.
Commit = Callable[[Issued], None]


class Keeping(NamedTuple):
    """What is to be kept of a run: by which command, of which texts, with which values; sealed by whom, and where."""

    command: str
    server: Server
    procedure: Procedure
    texts: tuple[str, ...]
    places: Mapping[str, str]
    signer: Signer | None = None
    site: str | None = None


class Evidence:
    """The evidence of one run; ``refusal`` is why it must not begin, where something was not approved.

    ``run_id`` stands in the names of its records.
    """

    def __init__(self, keeping: Keeping, permission: Permission, refusal: Error | None = None) -> None:
        self._keeping = keeping
        self._permission = permission
        self._refusal = refusal
        self.run_id = os.urandom(6).hex()
        self._started = datetime.now(UTC)
        self._record: Record | None = None
        self._records = 0
        self._seal: Seal | None = None
        self._versions = {"otaopenssl": __version__, "openssl": "", "python": sys.version.split()[0]}

    @contextmanager
    def kept(self, account: Account) -> Iterator[None]:
        """Have a record of the block, sealed at its end: where it raises before ``begin``, ``account`` was refused.

        Malformed input leaves none. Raises what was not approved before the block.
        """
        try:
            if self._refusal is not None:
                raise self._refusal
            previous.finish(self._keeping.server)
            yield
        except Error as error:
            is_told = self._records > 1 or (self._record is not None and self._record.lines.tree.size)
            if not is_told and error.status != 2:
                # What it was refused for counts, not that this could not be written down.
                with suppress(Error):
                    self.add([account.told(Result.REFUSED, reason=error.message)])
            raise
        finally:
            with held():
                if self._record is not None and parts(self._keeping.server, self.run_id):
                    # A worker that was given up may publish still: the next run seals the record, with what it tells.
                    self._record.let_go()
                else:
                    self._end()

    @contextmanager
    def of_one(self, account: Account, runner: Runner) -> Iterator[tuple[Watch, Commit]]:
        """Begin a record of the one thing that the block makes, with what must not change meanwhile.

        The block calls ``Commit`` just before it publishes.
        """
        watch = self.begin(runner)
        part = Part(self.part_path())
        line = b""

        def commit(issued: Issued) -> None:
            nonlocal line
            watch.check_again()
            line = account.told(Result.MADE, issued)
            part.write(line)

        try:
            yield watch, commit
        except BaseException as error:
            # What went wrong after the device was published does not make it one that failed.
            is_published = line and left_lines(self._keeping.server, [], [part.path]) == [line]
            if is_published:
                raise
            found = _cause(error, watch)
            line = account.told(Result.FAILED, reason=getattr(found, "message", "") or str(found))
            raise found from (error if found is not error else None)
        finally:
            with held():
                self.add([line] if line else [])
                part.remove()

    def begin(self, runner: Runner) -> Watch:
        """Begin the record, all configuration files being there; what must not change from now on.

        Raises Unfit where the record cannot be written, Failed where it could not be sealed, and NotApproved.
        """
        self._versions["openssl"] = runner.version
        materials = self._permission.materials
        if not materials.openssl_configs and runner.openssl_dir:
            configs = openssl_configs(Path(runner.openssl_dir) / OPENSSL_CNF)
            self._permission = self._permission._replace(materials=materials._replace(openssl_configs=configs))
        signer = self._keeping.signer
        if signer is not None:
            check_knows_cades(runner)
            seal = Seal(signer, self._keeping.procedure.text("seal.sh"), runner)
            with scratch.directory() as directory:
                (directory / _PROBE_NAME).write_bytes(b"")
                signed(runner, seal.text, directory, _PROBE_NAME, signer)
            if dsse.is_installed():
                dsse.envelope(b"", signer)
            self._seal = seal
        with held():
            self._open()
        self._permission = self._permission.settled()
        return self._permission.watch()

    def part_path(self) -> Path:
        """Where a worker may write down what it is about to publish."""
        return part_path(self._keeping.server, self.run_id)

    def add(self, lines: Sequence[bytes]) -> None:
        """Have the lines in the record; where there is no server directory they are of nothing that was made."""
        if not self._records:
            if not self._keeping.server.server_dir.is_dir():
                return
            with held():
                self._open()
        record = self._record
        if record is None or not lines:
            return
        try:
            room = record.room
            record.lines.append(lines[:room])
            if len(lines) > room:
                with held():
                    # The next one is begun first, so that the folder of workers' parts is never gone in between.
                    self._open()
                    self._close(record)
                self.add(lines[room:])
        except OSError as error:
            # What is there is sealed by the next run, with what workers had written down.
            record.let_go()
            self._record = None
            shown = self._keeping.server.shown(records_dir(self._keeping.server))
            raise not_writable(error, shown) from error

    def abandon(self) -> None:
        """Remove what was recorded: the server directory, which the run has made, goes as well."""
        if self._record is not None:
            self._record.discard()
            self._record = None

    def _open(self) -> None:
        server = self._keeping.server
        with locks.hidden_folder(server.hidden_dir):
            check_chain(server)
            # What the record of a dead run tells depends on it.
            previous.finish_alone(server)
            seal_dead_runs(server, self._seal)
            self._records += 1
            name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{self.run_id}"
            name += f"-{self._records}" if self._records > 1 else ""
            self._record = begun(server, name, self._beginning(), self._copies())

    def _end(self) -> None:
        record, self._record = self._record, None
        if record is not None:
            self._close(record)

    def _close(self, record: Record) -> None:
        server = self._keeping.server
        with locks.hidden_folder(server.hidden_dir):
            if not record.lines.tree.size:
                record.discard()
                return
            try:
                record.close(self._seal)
            except OSError as error:
                # The next run seals it.
                record.let_go()
                raise not_writable(error, server.shown(records_dir(server))) from error

    def _copies(self) -> dict[str, bytes]:
        approval = self._permission.approval
        if approval is None:
            return {}
        signatures = {} if approval.signatures is None else {SIGNATURES_NAME: approval.signatures}
        return {APPROVAL_NAME: approval.content, **signatures}

    def _beginning(self) -> Beginning:
        materials = self._permission.materials
        texts = [
            {"name": name, "sha256": materials.texts[name].sha256, "lines": materials.texts[name].lines}
            for name in self._keeping.texts
            if name in materials.texts
        ]
        return Beginning(
            run_id=self.run_id,
            command=self._keeping.command,
            places=self._keeping.places,
            procedure=materials.procedure or "",
            texts=texts,
            environment=whole_environment(self._keeping.server),
            departures=[departure.name for departure in DEPARTURES],
            host=os.uname().nodename,
            user=_user(),
            site=self._keeping.site,
            versions=self._versions,
            started=timestamp(self._started),
            dependencies=list(self._dependencies()),
            is_to_be_sealed=self._keeping.signer is not None,
        )

    def _dependencies(self) -> Iterator[tuple[str, str, str | None]]:
        materials, approval = self._permission.materials, self._permission.approval
        if approval is not None and approval.files[0].sha256 is not None:
            yield APPROVAL_NAME, approval.files[0].sha256, None
            if approval.signatures is not None:
                yield SIGNATURES_NAME, sha256(approval.signatures), None
        for name in self._keeping.texts:
            if name in materials.texts:
                yield f"procedure/{name}", materials.texts[name].sha256, None
        for name, found in materials.files.items():
            if found.sha256 is not None and not (name == CA_CRT and self._keeping.command == "root"):
                yield name, found.sha256, None
        located = [(OPENSSL_CNF, found) for found in materials.openssl_configs.values()]
        if materials.program is not None:
            located = [("openssl", materials.program.program), *materials.program.libraries.items(), *located]
        yield from ((name, one.sha256, one.path.absolute().as_uri()) for name, one in located if one.sha256 is not None)


@contextmanager
def kept(evidence: Evidence | None, account: Account) -> Iterator[None]:
    """``Evidence.kept``, of a run that may leave no evidence, such as one that is part of a rehearsal."""
    with nullcontext() if evidence is None else evidence.kept(account):
        yield


@contextmanager
def of_one(evidence: Evidence | None, account: Account, runner: Runner) -> Iterator[tuple[Watch | None, Commit]]:
    """``Evidence.of_one``, of a run that may leave no evidence."""
    if evidence is None:
        yield None, lambda _issued: None
    else:
        with evidence.of_one(account, runner) as found:
            yield found


def _cause(error: BaseException, watch: Watch) -> BaseException:
    """What a run has failed of: where something has changed meanwhile, that is told."""
    if isinstance(error, Error):
        try:
            watch.check_again()
        except Error as changed:
            return changed
    return error


def _user() -> str:
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
