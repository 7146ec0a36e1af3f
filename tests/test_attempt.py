"""What came of a connection, from s_client's output, and whether that is as it must be."""

from pathlib import Path

import pytest

from otaopenssl.attempt import Came, parse_attempt
from otaopenssl.texts import DEFAULT_PROCEDURE, find_procedure
from otaopenssl.trials import Who, trials_of, verdicts


@pytest.mark.parametrize(
    ("stdout", "stderr", "came"),
    [
        (b"HTTP/1.0 200 ok\r\n", b"", Came.ACCEPTED),
        (b"HTTP/1.1 404 Not Found\r\n", b"", Came.ACCEPTED),
        (b"HTTP/2 200\r\n", b"", Came.ACCEPTED),
        (b"HTTP/1.1 400 Bad Request\r\n", b"", Came.REFUSED),
        (b"HTTP/1.1 403 Forbidden\r\n", b"verify return:1\n", Came.REFUSED),
        (b"xHTTP/1.1 200\r\n", b"", Came.NO_ANSWER),
        (
            b"",
            b"verify return:1\nerror:0A00045C:tlsv13 alert certificate required:SSL alert number 116\n",
            Came.REFUSED,
        ),
        (b"", b"error:14094410:sslv3 alert handshake failure:SSL alert number 40\n", Came.REFUSED),
        (b"", b"depth=0 CN = x\nverify error:num=19:self-signed certificate\n", Came.DISTRUSTED),
        (b"", b"verify error:num=19:self-signed\nSSL alert number 48\n", Came.DISTRUSTED),
        (b"", b"verify return:1\nread:errno=104\n", Came.REFUSED),
        (b"", b"write:errno=104\n", Came.NO_ANSWER),
        (b"", b"error:8000006F:Connection refused\nconnect:errno=111\n", Came.NO_ANSWER),
        (b"", b"error:0A00042E:tlsv1 alert protocol version:SSL alert number 70\n", Came.NOT_OFFERED),
        (b"", b"error:0A0000BF:SSL routines:tls_setup_handshake:no protocols available\n", Came.NOT_OFFERED),
        (b"", b"", Came.NO_ANSWER),
    ],
)
def test_parse_attempt(stdout: bytes, stderr: bytes, came: Came) -> None:
    """Only an answer to the request is acceptance, and only what the gateway did is a refusal."""
    assert parse_attempt(stdout, stderr).came is came


def test_an_outcome_repeats_nothing_of_the_answer() -> None:
    """Of what a gateway sends only the HTTP status line is shown."""
    answer = b"HTTP/1.0 200 ok\r\n\r\nMaster-Key: 00112233\n"
    assert parse_attempt(answer, b"").shown() == "accepted: HTTP 200 ok"


def test_verdicts() -> None:
    """A version that is not offered is as it must be only where another one was, for the same client."""
    trials = trials_of(find_procedure(DEFAULT_PROCEDURE, Path("/")).text("rehearse.sh"))
    assert [trial.who for trial in trials] == [who for who in Who for _ in range(2)]
    good = parse_attempt(b"HTTP/1.0 200 ok\r\n", b"")
    refused = parse_attempt(b"HTTP/1.0 400 no\r\n", b"")
    missing = parse_attempt(b"", b"no protocols available")
    assert verdicts(trials, [missing, good, refused, missing, refused, refused]) == (True,) * 6
    assert verdicts(trials, [missing, missing, refused, refused, missing, missing]) == (
        *(False, False, True, True, False, False),
    )
    assert verdicts(trials, [refused, good, good, refused, refused, missing])[:3] == (False, True, False)
