"""Writes the page: fills the template, and allows only the scripts that belong to it to run.

Everything that comes from data passes through Jinja's escaping or through `as_json`. Should
markup get through nevertheless, it cannot run or send anything: the Content-Security-Policy of the
page names the hashes of its own scripts and forbids all requests.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib.resources import files
from typing import Any

from evenly._version import __version__

# These would end a script element or begin a comment in it, or end a line of JavaScript.
_ESCAPED = {ord(one): f"\\u{ord(one):04x}" for one in "<>&\u2028\u2029"}


def as_json(value: Any) -> str:
    """Return a value as JSON that can stand in a script element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPED)


def render(
    content: dict[str, Any], values: dict[str, Any], document: str, scripts: list[str]
) -> str:
    """Return the page as HTML.

    Args:
        content: what the template shows.
        values: what page.js needs, as JSON values.
        document: the plots, as the JSON of a document of Bokeh.
        scripts: the libraries that draw them.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("evenly.reporting.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = [*map(_in_a_script, scripts), template("page.js")]
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(map(_hash_of, own)),
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return environment.get_template("page.html").render(
        **content,
        evenly=__version__,
        policy="; ".join(f"{name} {value}" for name, value in policy.items()),
        style=Markup(template("page.css")),  # a file of this package
        scripts=[Markup(script) for script in own],  # likewise, and BokehJS
        values=Markup(as_json(values)),  # escaped for a script element
        document=Markup(document.translate(_ESCAPED)),  # likewise
    )


def template(name: str) -> str:
    """Return a file of the page's templates."""
    return (files("evenly.reporting.page") / "templates" / name).read_text("utf-8")


def _in_a_script(code: str) -> str:
    """Return a library as it can stand in a script element."""
    return code.replace("</script", "<\\/script").replace("<!--", "<\\!--")


def _hash_of(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"
