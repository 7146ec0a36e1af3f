"""The grammar of the audited texts: what it accepts means what bash makes of it; all else is refused with its line."""

import shlex
import subprocess
from pathlib import Path

import pytest

from otaopenssl.errors import BadInput
from otaopenssl.procedure import parse_text
from otaopenssl.shellwords import PLACE_NAMES, Place
from otaopenssl.steps import Text
from otaopenssl.text_rules import TEXT_NAMES
from otaopenssl.texts import built_in_procedures
from tests.conftest import run, tree

PLACES = {name: f"<{name}>" for name in PLACE_NAMES} | {"CWD": '/x" -out /etc/passwd "', "DEVICES_DIR": "./s/devices"}


def parsed(text: str) -> Text:
    return parse_text(text.encode(), "device.sh")


def argv(text: str) -> list[tuple[str, ...]]:
    """The bound commands of a text of one step."""
    (step,) = parsed(text).steps
    return list(step.bind(PLACES).commands)


def test_every_built_in_text_parses() -> None:
    """The texts that come with the tool are all there and all within the grammar."""
    (procedure,) = built_in_procedures()
    assert procedure.text_names() == TEXT_NAMES
    procedure.check_all()


def test_steps_of_the_guide() -> None:
    """Each command line is a step, known by its subcommands; its outputs are its -out and > paths."""
    (procedure,) = built_in_procedures()
    steps = procedure.text("device.sh").steps
    assert [step.name for step in steps] == [
        "ecparam | ec", "pkcs8", "req -new", "x509 -req", "cat", "ln", "x509 -text",
    ]  # fmt: skip
    assert [step.bind(PLACES).outputs for step in steps] == [
        ("<device_dir>/pkey.ec.pem",),
        ("<device_dir>/pkey.pem",),
        ("<device_dir>/<device_id>.csr",),
        ("<device_dir>/client.pem",),
        ("<device_dir>/<device_id>.chain.pem",),
        (),
        (),
    ]
    assert [step.may_fail for step in steps] == [False] * 5 + [True, False]
    assert procedure.text("device.sh").config_names() == ("client.cnf", "client.ext")


def test_a_value_never_meets_a_tokenizer() -> None:
    """A directory that looks like options stays one argument, bound and printed."""
    (command,) = argv('openssl req -config "${CWD}/certs/client.cnf" -new')
    assert command == ("openssl", "req", "-config", '/x" -out /etc/passwd "/certs/client.cnf', "-new")
    (step,) = parsed('openssl req -config "${CWD}/certs/client.cnf"').steps
    assert shlex.split(step.bind(PLACES).quoted()) == ["openssl", "req", "-config", f"{PLACES['CWD']}/certs/client.cnf"]


WORDS = [
    r"""openssl x509 a b  c	d""",
    r"""openssl x509 'a b' "c d" e\ f""",
    r"""openssl x509 'it'\''s' "a\"b" "a\\b" "a\b" 'a\b'""",
    r"""openssl x509 a'b'"c"d '' "" """,
    r"""openssl x509 '$a' "\$a" \$a '`' '*' "?" \* a=b a,b:c @f +g %h ^i""",
    r"""openssl x509 '#a' a#b \#c "PKCS#8" PKCS#8 # a comment | > || " '""",
    "openssl x509 a\\\nb \\\n  c \"d\\\ne\" 'f'\\\n'g'",
    r"""openssl x509 "|" '||' "> f" \> ">" -""",
    r"""openssl x509 "!" '~' "~/a" a-b ';' "&" '(' '{a,b}' "]" ]""",
]


@pytest.mark.parametrize("text", WORDS)
def test_words_are_what_bash_makes_of_them(text: str) -> None:
    """Quoting, comments and continuations are read as bash reads them."""
    script = f'openssl() {{ printf "%s\\0" openssl "$@"; }}\n{text}\n'
    printed = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout
    assert argv(text) == [tuple(printed.split("\0")[:-1])]


def test_places() -> None:
    """$name and ${name}, quoted or not, become part of the word they stand in; a quoted dollar is none."""
    (command,) = argv(
        """openssl x509 $device_id:8 ${device_id}y "a${device_id}b" '${device_id}' \\${device_id} "\\$x" """.replace(
            "\\${device_id}", "'$'x"
        )
    )
    assert command == ("openssl", "x509", "<device_id>:8", "<device_id>y", "a<device_id>b", "${device_id}", "$x", "$x")


def test_pipes_redirections_and_failures() -> None:
    """A pipeline, one > at its end and || true."""
    text = 'openssl ec | openssl req|| true\nopenssl pkey>"${device_dir}/g" # why\n'
    first, second = (step.bind(PLACES) for step in parsed(text).steps)
    assert first.commands == (("openssl", "ec"), ("openssl", "req"))
    assert (first.redirect, first.step.may_fail) == (None, True)
    assert first.quoted() == "openssl ec | openssl req || true"
    assert second.quoted() == "openssl pkey > '<device_dir>/g'"
    assert (second.redirect, second.step.may_fail, second.step.line) == ("<device_dir>/g", False, 2)
    assert second.step.source == 'openssl pkey>"${device_dir}/g"'


REFUSED = {
    "semicolon": ("openssl x509; id", "';'"),
    "background": ("openssl x509 &", "'&'"),
    "and": ("openssl x509 && id", "'&'"),
    "or": ("openssl x509 || id", "'||'"),
    "or true word": ("openssl x509 || true x", "'||'"),
    "or true twice": ("openssl x509 || true || true", "'||'"),
    "or nothing": ("openssl x509 ||", "'||'"),
    "substitution": ("openssl x509 $(id)", "no place"),
    "quoted substitution": ('openssl x509 "$(id)"', "no place"),
    "backtick": ("openssl x509 `id`", "'`'"),
    "quoted backtick": ('openssl x509 "`id`"', "'`'"),
    "default": ("openssl x509 ${device_id:-y}", "only a name"),
    "length": ("openssl x509 ${#device_id}", "only a name"),
    "indirection": ("openssl x509 ${!device_id}", "only a name"),
    "unknown place": ("openssl x509 $HOME", "'$HOME' is no place"),
    "unknown quoted place": ('openssl x509 "${HOME}"', "'$HOME' is no place"),
    "longer name": ("openssl x509 $device_idx", "'$device_idx' is no place"),
    "positional": ("openssl x509 $1", "no place"),
    "lone dollar": ("openssl x509 $", "no place"),
    "open brace": ("openssl x509 ${device_id", "only a name"),
    "ansi quoting": (r"openssl x509 $'\n'", "no place"),
    "arithmetic": ("openssl x509 $((1))", "no place"),
    "star": ("openssl x509 *", "'*'"),
    "question": ("openssl x509 a?", "'?'"),
    "bracket": ("openssl x509 [a]", "'['"),
    "brace": ("openssl x509 {a,b}", "'{'"),
    "tilde": ("openssl x509 ~/a", "'~'"),
    "negation": ("! openssl x509", "'!'"),
    "subshell": ("(openssl x509)", "'('"),
    "group": ("{ openssl x509", "'{'"),
    "input": ("openssl x509 < f", "'<'"),
    "here-document": ("openssl x509 <<E\nE", "'<'"),
    "append": ("openssl x509 >> ${device_dir}/f", "'>>'"),
    "clobber": ("openssl x509 >| ${device_dir}/f", "'>|'"),
    "descriptor": ("openssl x509 2> ${device_dir}/f", "'2>'"),
    "descriptor copy": ("openssl x509 >&2", "'>&'"),
    "two redirections": ("openssl x509 > ${device_dir}/f > ${device_dir}/g", "'>'"),
    "redirection in the middle": ("openssl x509 > ${device_dir}/f -y", "'>'"),
    "redirection before": ("> ${device_dir}/f openssl x509", "'>'"),
    "redirection to nothing": ("openssl x509 >", "'>'"),
    "redirection to nowhere": ("openssl x509 > > ${device_dir}/f", "'>'"),
    "pipe first": ("| openssl x509", "missing"),
    "pipe last": ("openssl x509 |", "missing"),
    "pipe before newline": ("openssl x509 |\nopenssl req", "missing"),
    "pipe and": ("openssl x509 |& openssl req", "'&'"),
    "open quote": ('openssl "x', "never closed"),
    "open single quote": ("openssl 'x\n'", "not printable ASCII"),
    "newline in quotes": ('openssl "x\ny"', "not printable ASCII"),
    "last backslash": ("openssl x509 \\", "backslash"),
    "last continuation": ("openssl x509 \\\n", "continuation"),
    "carriage return": ("openssl x509\r\n", "carriage return"),
    "byte order mark": ("\ufeffopenssl x509", "not printable ASCII"),
    "no-break space": ("openssl\u00a0x", "not printable ASCII"),
    "form feed": ("openssl x509\fy", "not printable ASCII"),
    "control in a comment": ("openssl x509 # \x1b[2J", "control character"),
    "bidi in a comment": ("openssl x509 # \u202e", "control character"),
    "assignment": ("A=b openssl x509", "'A=b' is none of"),
    "another program": ("rm x", "'rm' is none of"),
    "a path": ("/usr/bin/openssl x509", "'/usr/bin/openssl' is none of"),
    "a place as program": ("${device_id} x", "'${device_id}' is none of"),
    "export": ("export A=b", "'export' is none of"),
    "reserved word": ("time openssl x509", "'time' is none of"),
    "openssl alone": ("openssl", "subcommand"),
    "a subcommand that writes elsewhere": ("openssl ocsp -reqout /elsewhere", "one of the subcommands"),
    "the subcommand ca": ("openssl ca -batch", "one of the subcommands"),
    "output in a linked directory": ('openssl x509 -out "${device_dir}/link/f"', "an output must be"),
    "an option as subcommand": ("openssl -x", "subcommand"),
    "a place as subcommand": ("openssl $device_id", "subcommand"),
    "unquoted CWD": ("openssl x509 -in ${CWD}/f", "double quotes"),
    "single SERVER_DIR": ("openssl x509 -in $SERVER_DIR/f", "double quotes"),
    "out without file": ("openssl x509 -out", "'-out' without"),
    "absolute output": ("openssl x509 -out /etc/passwd", "an output must be"),
    "relative output": ("openssl x509 -out f", "an output must be"),
    "output above": ('openssl x509 -out "${device_dir}/../f"', "an output must be"),
    "output beside": ('openssl x509 -out "${device_dir}x"', "an output must be"),
    "output is the directory": ('openssl x509 -out "${device_dir}/"', "an output must be"),
    "second output": ('openssl x509 -out "${device_dir}/f" -out /g', "'-out' stands twice"),
    "two signers": ('openssl x509 -CA "${DEVICES_DIR}/ca.crt" -CA /evil.crt', "'-CA' stands twice"),
    "output with equals": ("openssl x509 -out=/g", "'-out=/g' must be written"),
    "output with two dashes": ('openssl x509 --out "${device_dir}/f"', "'--out' must be written"),
    "serial file with equals": ("openssl x509 -CAserial=/g", "must be written"),
    "place after equals": ("openssl x509 -out=${device_dir}/f", "'-out=' must be written"),
    "relative config": ("openssl x509 -config certs/client.cnf", "'-config' must begin with a place"),
    "relative input": ("openssl x509 -in ./f", "'-in' must begin with a place"),
    "place before a line end": ("openssl x509 $device_id\\\nx", "a line ends within the word"),
    "quoted place before a line end": ('openssl x509 "$device_id\\\nx"', "a line ends within the word"),
    "output that may fail": ('openssl x509 -out "${device_dir}/f" || true', "'|| true' may not follow"),
    "output in CWD": ('openssl x509 -out "${CWD}/f"', "an output must be"),
    "redirection elsewhere": ("openssl x509 > /etc/passwd", "an output must be"),
    "keyout": ('openssl x509 -keyout "${device_dir}/f"', "'-keyout' writes a file"),
    "serial file": ("openssl x509 -CAserial f", "'-CAserial' writes a file"),
    "cat of standard input": ("cat > ${device_dir}/f", "cat may be used only"),
    "cat to standard output": ("cat f", "cat may be used only"),
    "cat in a pipe": ("cat f | openssl x509", "cat may be used only"),
    "cat with an option": ("cat -v /f > ${device_dir}/g", "name of a file"),
    "cat of a relative path": ("cat f > ${device_dir}/g", "name of a file"),
    "relative link": ("ln -s a ${device_dir}/b", "name of a file"),
    "ln by force": ("ln -sf /a ${device_dir}/b", "ln may be used only"),
    "hard link": ("ln a ${device_dir}/b", "ln may be used only"),
    "link elsewhere": ("ln -s /a /etc/b", "an output must be"),
    "another sed": ("openssl x509 | sed -i s/a/b/ > ${device_dir}/f", "sed may be used only as in the guide"),
    "sed alone": ("sed -n '/-BEGIN CERTIFICATE-/,/-END CERTIFICATE-/p' > ${device_dir}/f", "in a pipe"),
    "nothing": ("", "no command"),
    "comments alone": ("# a\n\n# b", "no command"),
}


@pytest.mark.parametrize(("text", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_refused(text: str, reason: str) -> None:
    """Anything outside the grammar is refused with the file, the line and the reason."""
    with pytest.raises(BadInput) as refusal:
        parsed(f"# a comment\nopenssl ec\n{text}" if text and not text.startswith(("#", "\ufeff")) else text)
    assert reason in refusal.value.message
    line = 1 if not text or text.startswith(("#", "\ufeff")) else 3
    expected = {"last continuation": 4}.get(next(name for name, case in REFUSED.items() if case[0] == text), line)
    assert refusal.value.message.startswith(f"device.sh, line {expected}: ")


def test_bytes_that_are_no_text() -> None:
    """A text is UTF-8 of at most 64 KiB."""
    with pytest.raises(BadInput, match="line 2: the text is not UTF-8"):
        parse_text(b"openssl x509\n\xff", "f")
    with pytest.raises(BadInput, match="at most 65536 are allowed"):
        parse_text(b"#" * 70_000, "f")


def test_a_place_in_a_word_is_kept_apart() -> None:
    """A word is literal text and places; nothing is filled in at parsing."""
    (step,) = parsed('openssl x509 -in "${device_dir}/a"').steps
    assert step.option("-in") == (Place("device_dir"), "/a")
    assert step.places() == ("device_dir",)


OWN_TEXTS = {
    "output outside the device": (
        "device.sh", "client.pem", 'openssl x509 -out "${DEVICES_DIR}/ca.crt"\n', "must begin with ${device_dir}/",
    ),
    "another signer": ("device.sh", '-CA "${DEVICES_DIR}/ca.crt"', '-CA "${device_dir}/ca.crt"', "-CA must be"),
    "no certificate": ("device.sh", '-out "${device_dir}/client.pem"', '-out "${device_dir}/other.pem"', "client.pem"),
    "a place without value": ("device.sh", "-days 365", "-days $device_gateway_port", "has no value in device.sh"),
    "a serial number for all": ("device.sh", "-CAcreateserial", "-set_serial 7", "'-set_serial' would"),
    "a second signing": (
        "device.sh", "client.pem", 'openssl x509 -req -in "${device_dir}/${device_id}.csr" -CA "${DEVICES_DIR}/ca.crt"'
        ' -CAkey "${DEVICES_DIR}/ca.key" -out "${device_dir}/client.pem"\n', "a second signing",
    ),
    "a signing of something else": (
        "device.sh", "client.pem", 'openssl x509 -req -in "${device_dir}/${device_id}.csr" -CA "${DEVICES_DIR}/ca.crt"'
        ' -CAkey "${DEVICES_DIR}/ca.key" -out "${device_dir}/second.pem"\n', "and it alone",
    ),
    "a signing by another command": (
        "device.sh", "client.pem", 'openssl req -x509 -CA /other.crt -CAkey /other.key -out "${device_dir}/x.pem"\n',
        "only 'openssl x509 -req' may sign",
    ),
    "another writer of the certificate": (
        "device.sh", "client.pem", 'cat "${DEVICES_DIR}/ca.crt" > "${device_dir}/client.pem"\n', "and it alone",
    ),
    "a third file of the root": (
        "root.sh", '-out "${DEVICES_DIR}/ca.crt"', '-out "${DEVICES_DIR}/other.crt"', "root.sh may write",
    ),
    "a broken line": ("gateway.sh", "-showcerts", "-showcerts; id", "';' joins commands"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new", "saying"), OWN_TEXTS.values(), ids=OWN_TEXTS.keys())
def test_own_texts_that_cannot_be_run(project: Path, name: str, old: str, new: str, saying: str) -> None:
    """A team's own text is refused as a whole where one of its texts is not one that the tool can publish and check."""
    assert run("procedure", "export", "ota-connect-2019.7", "./own", cwd=project).status == 0
    text = (project / "own" / name).read_text()
    (project / "own" / name).write_text(text + new if old == "client.pem" else text.replace(old, new))
    before = tree(project)
    ran = run("device", "--procedure", "./own", cwd=project)
    assert ran.status == 2
    assert f"own/{name}, line" in ran.err
    assert saying in ran.err
    assert tree(project) == before


def test_own_text_is_what_runs(project: Path) -> None:
    """A text that was exported, edited and named with --procedure is run, in the run and in the dry-run."""
    exported = run("procedure", "export", "ota-connect-2019.7", "own", cwd=project)
    assert exported.out.splitlines() == [f"own/{name}" for name in TEXT_NAMES]
    path = project / "own" / "device.sh"
    path.write_text(path.read_text().replace("-days 365", "-days 30"))
    made = run("device", "--uuid", "u1", "--procedure", "own", "-v", cwd=project)
    assert made.status == 0, made.err
    assert " -days 30 " in made.err
    assert "(29 days left)" in made.err
    assert " -days 30 " in run("device", "-n", "--procedure", "own/", cwd=project).out
    again = run("procedure", "export", "ota-connect-2019.7", "own", cwd=project)
    assert (again.status, "is there already" in again.err) == (4, True)


def test_no_such_procedure(project: Path) -> None:
    """A name that is neither built in nor a directory of texts."""
    for value in ("nosuch", "", "certs", "/nonexistent"):
        ran = run("device", "--procedure", value, cwd=project)
        assert (ran.status, "no procedure" in ran.err) == (2, True)
    (project / "a\nb").mkdir()
    ran = run("device", "--procedure", "./a\nb", cwd=project)
    assert (ran.status, "'./a\\nb' must be printable" in ran.err) == (2, True)
