"""The group of commands, and how it reports errors and interruptions."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from evenly._version import __version__
from evenly.cli.colours import report
from evenly.cli.help import Group
from evenly.cli.options import LOUDNESS, WITHOUT_CACHE, with_options
from evenly.cli.spelling import as_flags
from evenly.cli.streams import replace_closed_streams
from evenly.errors import EvenlyError, EvenlyWarning

_WRONG_USE = 2
_INTERRUPTED = 130
_TERMINATED = 143
_CHECKPOINT = "evenly.checkpoint"
_MANIFEST = "evenly.manifest"
_BY_SIGTERM = "evenly.terminated"


class _Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as tidily as Ctrl-C does."""


class _WrongUse(click.ClickException):
    """Wrong use of the command line, reported in the style of all other errors."""

    exit_code = _WRONG_USE

    def show(self, file: Any = None) -> None:
        report(self.message, "error")


class _Commands(Group):
    """The group of all commands, which reports deliberate errors in one line and exits with 2."""

    sections = {  # noqa: RUF012
        "Choose rows": ("select", "select-by-quality", "deduplicate", "stream"),
        "Continue from a manifest": ("extend", "fill", "assign", "explain"),
        "Judge a subset": ("measure", "compare", "report"),
        "Plan and prepare": ("budget", "estimate", "embed", "cache"),
        "First steps": ("demo", "help"),
    }

    def main(self, args: Sequence[str] | None = None, *more: Any, **kwargs: Any) -> Any:
        replace_closed_streams()
        words = [_with_home(word) for word in (sys.argv[1:] if args is None else args)]
        try:
            with _reporting_on_stderr(), _terminating_tidily():
                return super().main(words, *more, **kwargs)
        except KeyboardInterrupt as error:  # before the command began, or after it ended
            sys.exit(_TERMINATED if isinstance(error, _Terminated) else _INTERRUPTED)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        with _usage_errors_in_one_line():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _usage_errors_in_one_line():
                return super().invoke(ctx)
        except EvenlyError as error:
            report(as_flags(str(error)), "error")
            ctx.exit(_WRONG_USE)
        except OSError as error:
            if error.errno == errno.EPIPE:  # the reader of the output has gone: click ends quietly
                raise
            where = f"{error.filename}: " if error.filename else ""
            report(f"{where}{error.strerror or error}", "error")
            ctx.exit(_WRONG_USE)
        except KeyboardInterrupt:
            report(f"interrupted; {_what_is_kept(ctx)}")
            ctx.exit(_TERMINATED if _BY_SIGTERM in ctx.meta else _INTERRUPTED)


def _with_home(word: str) -> str:
    """Return a word in which ~/ is the home folder, also after --option=, as no shell does."""
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    if not value.startswith("~") or "/" not in value:
        return word
    return f"{option}{equals}{os.path.expanduser(value)}"  # noqa: PTH111 - unknown users stay


@contextlib.contextmanager
def _usage_errors_in_one_line() -> Iterator[None]:
    """Report what click rejects like other errors, with the command whose help says more."""
    try:
        yield
    except click.ClickException as error:
        if isinstance(error, _WrongUse) or error.__class__.__name__ == "NoArgsIsHelpError":
            raise
        message = error.format_message()
        message = message[:1].lower() + message[1:]
        if isinstance(error, click.UsageError) and error.ctx is not None:
            message += f" For help: {error.ctx.command_path} --help"
        raise _WrongUse(message) from error


def keep_at(ctx: click.Context, checkpoint: str | None) -> None:
    """Remember the checkpoint, to name it if the command is interrupted."""
    ctx.meta[_CHECKPOINT] = checkpoint


def keep_rows(manifest: str) -> None:
    """Remember that the chosen rows are written, to say so if measuring them is interrupted."""
    click.get_current_context().meta[_MANIFEST] = manifest


def _what_is_kept(ctx: click.Context) -> str:
    manifest = ctx.meta.get(_MANIFEST)
    if manifest is not None:
        return (
            "the chosen rows are written, but they are not fully measured: "
            f"`evenly measure DATA {manifest}` does that."
        )
    checkpoint = ctx.meta.get(_CHECKPOINT)
    if checkpoint is not None and Path(checkpoint).exists():
        return f"the picks so far are in {checkpoint}: the same command again continues from there."
    if ctx.meta.get(WITHOUT_CACHE):
        return "embeddings are not kept, because of --no-cache."
    return "finished embeddings are kept in the cache."


@contextlib.contextmanager
def _terminating_tidily() -> Iterator[None]:
    """Let SIGTERM, with which a scheduler stops a job, leave a checkpoint like Ctrl-C."""

    def terminate(*_: object) -> NoReturn:
        ctx = click.get_current_context(silent=True)
        if ctx is not None:  # Ray passes a KeyboardInterrupt of its own on
            ctx.meta[_BY_SIGTERM] = True
        raise _Terminated

    # Handlers belong to the main thread; one that was set on purpose stays.
    free = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if not free or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _ToStderr(logging.Handler):
    """Writes to whatever stderr is at that time."""

    def emit(self, record: logging.LogRecord) -> None:
        report(as_flags(self.format(record)))


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    report(as_flags(str(message)), "warning")


@contextlib.contextmanager
def _reporting_on_stderr() -> Iterator[None]:
    """Write the log messages and warnings of the library as one line each, then restore all."""
    log, handler = logging.getLogger("evenly"), _ToStderr()
    level = log.level
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        warnings.simplefilter("always", EvenlyWarning)
        log.setLevel(logging.WARNING)
        log.addHandler(handler)
        try:
            yield
        finally:
            log.removeHandler(handler)
            log.setLevel(level)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="evenly")
@with_options(LOUDNESS)
def main() -> None:
    """Choose training data that is spread evenly.

    \b
    evenly demo
    evenly select train.jsonl --budget 0.5 --text instruction,input -o subset.jsonl
    """  # noqa: D301
