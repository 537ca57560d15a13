"""Pages of the site that are not in docs/: documents, examples, commands, pictures.

Links that leave docs/ lead to files on GitHub; on the site they lead to these pages.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from commands import reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
DOCUMENTS = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "LICENSE": "license.md",
}
_LINK = re.compile(r"(?<=\]\()(?!https?:)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the documents at the top level, and the pages that are made here."""
    for name, page in DOCUMENTS.items():
        text = (ROOT / name).read_text("utf-8")
        text = text if name.endswith(".md") else f"# Licence\n\n```text\n{text}```\n"
        files.append(File.generated(config, page, content=text))
    files.append(File.generated(config, "examples.md", content=examples()))
    files.append(File.generated(config, "commands.md", content=reference()))
    files.append(File.generated(config, "pictures.md", content=pictures()))
    return files


def examples() -> str:
    """Return a page with the source of every example."""
    parts = ["# Examples", "Short scripts, one for each task. All of them run in the tests."]
    for path in sorted((ROOT / "examples").glob("*.py")):
        source = path.read_text("utf-8")
        summary = (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]
        parts.append(f"## {path.stem}\n\n{summary}\n\n```python\n{source}```")
    return "\n\n".join(parts)


def pictures() -> str:
    """Return a page with every picture of the other pages, and links to these."""
    parts = [
        "# Pictures",
        "Every picture of these pages, with a link to the page that explains it.",
    ]
    for path in sorted((ROOT / "docs").glob("*.md")):
        text = path.read_text("utf-8")
        title = text.splitlines()[0].removeprefix("# ")
        for image, caption in re.findall(r"^(!\[([^\]]+)\]\([^)]+\))", text, re.MULTILINE):
            parts += [f"## {caption}", image, f"From [{title}]({path.name})."]
    return "\n\n".join(parts)


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let links to files at the top level and to examples lead to pages of the site."""
    return _LINK.sub(lambda match: _on_the_site(match[1]), markdown)


def _on_the_site(link: str) -> str:
    path = link.removeprefix("../").removeprefix("docs/")
    if path == "README.md":
        return "index.md"
    if path.startswith("examples/"):
        return f"examples.md#{Path(path).stem}" if path.endswith(".py") else "examples.md"
    return DOCUMENTS.get(path, path)
