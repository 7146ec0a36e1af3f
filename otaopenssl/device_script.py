"""The dry-run of a device: a bash script of the same lines, whole or by parts for other scripts."""

from otaopenssl import configs, gateway_root
from otaopenssl.device import Order
from otaopenssl.script import Body, Script, here_document, here_documents, steps_of
from otaopenssl.shellwords import written
from otaopenssl.signing_steps import from_request


def script(order: Order, program: str | None) -> Script:
    """What ``otaopenssl device`` would run, without running or writing anything; it needs no fleet root CA."""
    text = order.procedure.text("device.sh")
    rendered = configs.missing(order.server, text)
    return Script(
        command=f"otaopenssl {'device' if order.source is None else 'sign'}",
        server=order.server,
        texts=[text] if order.gateway is None else [text, order.gateway.text(order.procedure)],
        body=script_body(order, rendered),
        rendered=rendered,
        uuid=order.uuid,
        device_id=order.device_id,
        program=program,
    )


def script_body(order: Order, rendered: dict[str, bytes]) -> Body:
    """The lines of that script after its exports."""
    return [*ca_lines(), *here_documents(rendered), *making_body(order), 'echo "${device_dir}"']


def ca_lines() -> list[str]:
    """Lines of shell that end the script where there is no fleet root CA."""
    return [
        'for file in "${DEVICES_DIR}/ca.key" "${DEVICES_DIR}/ca.crt"; do',
        '  [ -s "${file}" ] || { echo "no fleet root CA: ${file} is missing" >&2; exit 4; }',
        "done",
    ]


def making_body(order: Order) -> Body:
    """The lines of a script that make the device, where its variables are set."""
    text = order.procedure.text("device.sh")
    links = [written(word) for step in text.steps if (word := step.link_word())]
    request: list[str] = []
    if order.source is not None:
        text, (word,) = from_request(text)
        request = here_document(written(word), order.source.request.pem)
    body: Body = [
        'mkdir -m 700 "${device_dir}"',
        *request,
        *steps_of(text, order.places()),
        "",
        *(f"[ -e {link} ] || rm -f {link}  # departure no-dangling-link" for link in links),
    ]
    if order.gateway is not None:
        body += gateway_root.script_body(order.gateway, order.gateway.text(order.procedure), order.places())
    return body
