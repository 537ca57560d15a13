"""Write the table of options in docs/options.md: python -m docs.make_options."""

import re
from pathlib import Path

from evenly.options import InputOptions, RuleOptions, UniformOptions
from evenly.options.declaration import declared, flags_of

PAGE = Path(__file__).with_name("options.md")
CLASSES = (RuleOptions, InputOptions, UniformOptions)
BETWEEN_MARKERS = re.compile("(?<=<!-- options:begin -->\n).*(?=<!-- options:end -->)", re.DOTALL)


def options_table() -> str:
    """Return a Markdown table of options: name, spelling on the command line, default, help."""
    lines = ["| option | command line | default | meaning |", "| --- | --- | --- | --- |"]
    for name, (field, about) in declared(*CLASSES).items():
        flags = ", ".join(f"`{flag}`" for flag in flags_of(name, about))
        text = (about.doc or about.help).replace("|", "\\|")
        text = text[0].upper() + text[1:]
        lines.append(f"| `{name}` | {flags} | `{field.default!r}` | {text} |")
    return "\n".join(lines)


def page() -> str:
    """Return the page with the table as the declarations have it."""
    table = options_table() + "\n"
    return BETWEEN_MARKERS.sub(lambda _: table, PAGE.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
