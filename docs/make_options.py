"""Write the table of options in docs/options.md: python -m docs.make_options."""

import re
from pathlib import Path

from evenly.options import InputOptions, RuleOptions, UniformOptions
from evenly.options.documentation import options_table

PAGE = Path(__file__).with_name("options.md")
CLASSES = (RuleOptions, InputOptions, UniformOptions)
BETWEEN_MARKERS = re.compile("(?<=<!-- options:begin -->\n).*(?=<!-- options:end -->)", re.DOTALL)


def page() -> str:
    """Return the page with the table as the declarations have it."""
    table = options_table(*CLASSES) + "\n"
    return BETWEEN_MARKERS.sub(lambda _: table, PAGE.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
