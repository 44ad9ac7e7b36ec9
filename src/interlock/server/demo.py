"""The application that ``interlock serve`` runs when it is given none: it shows the request, and what became of it.

A plain ASGI application.  Browsers get a page, others text or, if they accept it, JSON.  Where the server offers the
extension "interlock.states", the states of the connection's machines are shown, and the tables that they come from.
"""

import html
import json
from collections.abc import Mapping
from typing import Any, Final

from interlock.h1.tables import SYSTEM
from interlock.machine.draw import mermaid
from interlock.server.asgi import Message, Receive, Send
from interlock.server.asgi_scope import Scope

__all__ = ["app"]

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>interlock: your request</title>
<style>
:root {{ color-scheme: light dark; --line: #8884; --accent: #1f5fa8 }}
@media (prefers-color-scheme: dark) {{ :root {{ --accent: #8ab8f0 }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.6rem }}
h2 {{ font-size: 1.1rem; margin-top: 2rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-top: 1px solid var(--line) }}
th {{ font-weight: normal; opacity: .7; white-space: nowrap }}
td, pre, code {{ font: 14px/1.5 ui-monospace, monospace; overflow-wrap: anywhere }}
pre {{ overflow-x: auto; overflow-wrap: normal; padding: .75rem; border: 1px solid var(--line); border-radius: .4rem }}
mark {{ background: none; color: var(--accent); font-weight: bold }}
summary {{ cursor: pointer }}
</style>
<h1>interlock is running</h1>
<p>This is what your request looked like when it arrived. Serve your own application with
<code>interlock serve module:app</code>.</p>
{sections}
</html>
"""


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request with a description of it."""
    if scope["type"] == "lifespan":
        for answer in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
            await receive()
            await send({"type": answer})
        return
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    size = await _content_size(receive)
    if size is None:
        return
    sections = _describe(scope, size)
    accepted = _accepted(scope)
    if "text/html" in accepted:
        content_type, text = "text/html; charset=utf-8", _as_html(sections)
    elif "application/json" in accepted:
        content_type, text = "application/json", json.dumps(sections, indent=2) + "\n"
    else:
        content_type, text = "text/plain; charset=utf-8", _as_text(sections)
    body = text.encode()
    fields = [
        (b"content-type", content_type.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"vary", b"accept"),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": body})


async def _content_size(receive: Receive) -> int | None:
    """Read the request's content: its octets, or None if the client went away before its end."""
    size = 0
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            return None
        size += len(message.get("body", b""))
        if not message.get("more_body", False):
            return size


def _accepted(scope: Scope) -> str:
    return ",".join(value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"accept")


def _describe(scope: Scope, size: int) -> dict[str, Any]:
    """What there is to show: heading -> its rows, or its list of (name, value)."""
    query = scope["query_string"].decode("latin-1")
    target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
    request = {
        "method": scope["method"],
        "target": target,
        "version": f"HTTP/{scope['http_version']}",
        "scheme": scope["scheme"],
        "client": _address(scope["client"]),
        "server": _address(scope["server"]),
        "content": f"{size} octets",
    }
    fields = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]]
    sections: dict[str, Any] = {"request": request, "fields": fields}
    states = scope.get("extensions", {}).get("interlock.states")
    if states is not None:
        sections["machines"] = dict(states())
    return sections


def _address(address: Any) -> str:
    if not address:
        return "unknown"
    host, port = address
    if port is None:
        return str(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _rows(section: Any) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in (section.items() if isinstance(section, Mapping) else section)]


def _as_text(sections: dict[str, Any]) -> str:
    lines = []
    for heading, section in sections.items():
        rows = _rows(section)
        width = max((len(name) for name, _ in rows), default=0)
        lines += [heading, *(f"  {name:<{width}}  {value}" for name, value in rows), ""]
    return "\n".join(lines)


def _as_html(sections: dict[str, Any]) -> str:
    parts = [_table("Request", sections["request"]), _table("Header fields", sections["fields"])]
    if "machines" in sections:
        parts.append("<h2>The connection's machines</h2>\n")
        parts.extend(_drawing(machine, state) for machine, state in sections["machines"].items())
    return _PAGE.format(sections="".join(parts))


def _table(heading: str, section: Any) -> str:
    rows = [f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>\n" for name, value in _rows(section)]
    return f"<h2>{heading}</h2>\n<table>\n{''.join(rows)}</table>\n"


def _drawing(machine: str, state: str) -> str:
    """A machine with its present state marked; folded up, its table as Mermaid text."""
    present = f"<mark>{html.escape(state)}</mark>"
    if machine not in SYSTEM.machine_index:
        return f"<p>{html.escape(machine)}: {present}</p>\n"
    states = SYSTEM.machines[SYSTEM.machine_index[machine]].states
    shown = " · ".join(present if known == state else html.escape(known) for known in states)
    label = f"([&quot;{html.escape(state)}&quot;])"
    lines = [
        f"<mark>{line}   %% now</mark>" if label in line else line
        for line in html.escape(mermaid(SYSTEM, machine)).splitlines()
    ]
    drawing = "\n".join(lines)
    return f"<details><summary>{html.escape(machine)}: {shown}</summary>\n<pre>{drawing}</pre></details>\n"
