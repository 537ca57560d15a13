"""The command `evenly`: parses, calls, prints; no logic of its own."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from evenly._version import __version__
from evenly.errors import EvenlyError, EvenlyWarning

__all__ = ["main"]

_WRONG_USE = 2
_OF_THE_ENCODER = ("batch_size", "dtype", "prompt", "backend", "max_length", "trust_remote_code")


class _Commands(click.Group):
    """A group whose commands report deliberate errors in one line and exit with 2."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        with _telling_on_stderr():
            return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except EvenlyError as error:
            click.echo(f"evenly: error: {error}", err=True)
            ctx.exit(_WRONG_USE)
        except OSError as error:
            if error.errno == errno.EPIPE:  # whoever read the output has gone: click ends quietly
                raise
            where = f"{error.filename}: " if error.filename else ""
            click.echo(f"evenly: error: {where}{error.strerror or error}", err=True)
            ctx.exit(_WRONG_USE)
        except KeyboardInterrupt:
            click.echo("evenly: interrupted; finished embeddings are kept in the cache.", err=True)
            ctx.exit(130)


class _ToStderr(logging.Handler):
    """Writes to whatever stderr is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(f"evenly: {self.format(record)}", err=True)


def _show_warning(message: Any, *_: Any, **__: Any) -> None:
    click.echo(f"evenly: warning: {message}", err=True)


@contextlib.contextmanager
def _telling_on_stderr() -> Iterator[None]:
    """Write what the library logs and warns of as one line each; then leave all as it was."""
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


def _say_more(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        logging.getLogger("evenly").setLevel(logging.INFO)


def _say_less(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        logging.getLogger("evenly").setLevel(logging.ERROR)
        warnings.simplefilter("ignore", EvenlyWarning)
        ctx.obj = False


def _options(*groups: list[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def decorate(command: Any) -> Any:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


# Taken before and after the command's name; `ctx.obj` is the library's `progress`.
_LOUDNESS_OPTIONS = [
    click.option(
        "-v",
        "--verbose",
        is_flag=True,
        expose_value=False,
        callback=_say_more,
        help="Say more about what is done, on stderr.",
    ),
    click.option(
        "-q",
        "--quiet",
        is_flag=True,
        expose_value=False,
        callback=_say_less,
        help="No progress bars and no warnings.",
    ),
]


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="evenly")
@_options(_LOUDNESS_OPTIONS)
def main() -> None:
    """Choose training data that is spread evenly.

    \b
    evenly demo
    evenly select train.jsonl --budget 0.5 --text instruction,input -o subset.jsonl
    """  # noqa: D301


def _columns(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """`a` is one column, `a,b` several."""
    if value is None or "," not in value:
        return value
    return [name.strip() for name in value.split(",")]


def _number(ctx: click.Context, param: click.Parameter, value: str | None) -> int | float | None:
    """`500` is a number of rows, `0.5` a fraction: the point makes the difference."""
    if value is None:
        return None
    try:
        return int(value)
    except ValueError:
        pass
    try:
        return float(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is neither a number of rows (500) nor a fraction (0.5)."
        ) from None


def _row_or_name(ctx: click.Context, param: click.Parameter, value: str) -> int | str:
    try:
        return int(value)
    except ValueError:
        return value


_TEXT_OPTIONS = [
    click.option(
        "--text",
        callback=_columns,
        metavar="COLUMN[,COLUMN…]",
        help="What to embed; found by itself when one answer is obvious.",
    ),
    click.option(
        "--roles",
        default="user",
        show_default=True,
        metavar="ROLE[,ROLE…]",
        help="Of chat data, whose messages.",
    ),
    click.option(
        "--encoder",
        default="all-MiniLM-L6-v2",
        show_default=True,
        metavar="NAME|PATH|static",
        help="The embedding model.",
    ),
    click.option("--device", default="auto", show_default=True, help="cpu, cuda, mps, …"),
    click.option("--batch-size", type=int, help="Texts the encoder takes at once."),
    click.option(
        "--dtype", type=click.Choice(["float32", "float16", "bfloat16"]), help="Of the model."
    ),
    click.option("--prompt", help="Put before every text."),
    click.option("--backend", type=click.Choice(["torch", "onnx"]), help="What runs the model."),
    click.option("--max-length", type=int, help="Tokens of a text that the model reads."),
    click.option("--trust-remote-code", is_flag=True, help="Run code that comes with the model."),
    click.option(
        "--cache-dir", type=click.Path(file_okay=False), help="Folder of the embedding cache."
    ),
    click.option("--no-cache", is_flag=True, help="Neither read nor write the embedding cache."),
]

_SPACE_OPTIONS = [
    click.option(
        "--normalize/--no-normalize",
        default=True,
        show_default=True,
        help="Divide rows by their length first.",
    ),
    click.option(
        "--on-invalid",
        type=click.Choice(["error", "drop"]),
        default="error",
        show_default=True,
        help="What to do with rows that have no usable text or vector.",
    ),
    click.option(
        "--random-subsets",
        type=click.IntRange(min=0),
        default=3,
        show_default=True,
        help="Random subsets of the same size to measure beside it.",
    ),
    click.option("--seed", type=int, default=0, show_default=True, help="For whatever is random."),
    click.option("--json", "as_json", is_flag=True, help="Print numbers for machines, as JSON."),
]

_FORCE_OPTION = click.option("--force", is_flag=True, help="Overwrite an existing output.")


def _embedding_arguments(options: dict[str, Any]) -> dict[str, Any]:
    """The options that say how texts become vectors, as keyword arguments of the library."""
    taken = {name: options.pop(name) for name in ("text", "encoder", "device")}
    taken["roles"] = [role.strip() for role in options.pop("roles").split(",")]
    cache_dir, no_cache = options.pop("cache_dir"), options.pop("no_cache")
    taken["cache_dir"] = False if no_cache else cache_dir
    of_the_encoder = {name: options.pop(name) for name in _OF_THE_ENCODER}
    taken["encoder_options"] = {
        name: value
        for name, value in of_the_encoder.items()
        if value is not None and value is not False
    }
    return taken


@main.command()
@click.argument("data", required=False)
@click.option(
    "-b",
    "--budget",
    callback=_number,
    metavar="ROWS|FRACTION",
    help="How many rows: 500, or 0.5 for half of them.",
)
@_options(_TEXT_OPTIONS, _SPACE_OPTIONS)
@click.option(
    "--start",
    default="farthest-from-mean",
    show_default=True,
    callback=_row_or_name,
    metavar="ROW|farthest-from-mean|random",
    help="The first pick.",
)
@click.option("--engine", default="auto", show_default=True, help="Who computes: auto or memory.")
@click.option("-o", "--output", metavar="FILE|-", help="Where the chosen records go; - for stdout.")
@click.option(
    "--order",
    type=click.Choice(["picked", "file"]),
    default="picked",
    show_default=True,
    help="Order of the records in the output.",
)
@click.option(
    "--from-manifest",
    type=click.Path(exists=True, dir_okay=False),
    help="Do again what this manifest says, and check that the same rows come out.",
)
@_FORCE_OPTION
@_options(_LOUDNESS_OPTIONS)
@click.pass_context
def select(ctx: click.Context, /, data: str | None, **options: Any) -> None:
    """Choose rows of DATA: .jsonl, .json, .csv, .tsv, .parquet, .npy, a glob, a folder, or -.

    The chosen records are written as they are, in their own format, and beside them a manifest
    (OUTPUT.manifest.json): versions, options, hashes, indices and radii.
    """
    from evenly.report import selection_table
    from evenly.run import run_selection

    manifest = options.pop("from_manifest")
    if manifest is None:
        if data is None:
            raise click.UsageError(
                "Missing argument 'DATA' (a file, a glob, a folder, or - for stdin)."
            )
        if options["budget"] is None:
            raise click.UsageError("Missing option '--budget' (500, or 0.5 for half of the rows).")
    output, force, order = options.pop("output"), options.pop("force"), options.pop("order")
    as_json, random_subsets = options.pop("as_json"), options.pop("random_subsets")
    arguments = {**_embedding_arguments(options), **options}
    selection, measures = run_selection(
        sys.stdin.buffer if data == "-" else data,
        arguments if manifest is None else _given(ctx, arguments),
        manifest=manifest,
        output=sys.stdout.buffer if output == "-" else output,
        order=order,
        force=force,
        random_subsets=random_subsets,
        progress=ctx.obj,
    )
    told = selection_table(selection, measures)
    if as_json:
        summary = {"selection": selection.as_dict(), "measures": measures.as_dict()}
        del summary["selection"]["indices"], summary["selection"]["radii"]
        told = json.dumps({**summary, "output": output}, ensure_ascii=False, indent=1)
    click.echo(told, err=output == "-")


def _given(ctx: click.Context, arguments: dict[str, Any]) -> dict[str, Any]:
    """Those of the arguments that were on the command line."""

    def was_given(name: str) -> bool:
        source = ctx.get_parameter_source(name)
        return source not in (None, click.core.ParameterSource.DEFAULT)

    sources = {"encoder_options": _OF_THE_ENCODER, "cache_dir": ("cache_dir", "no_cache")}
    return {
        name: value
        for name, value in arguments.items()
        if any(was_given(option) for option in sources.get(name, (name,)))
    }


@main.command()
@click.argument("data")
@click.argument("subset", type=click.Path(exists=True, dir_okay=False))
@_options(_TEXT_OPTIONS, _SPACE_OPTIONS, _LOUDNESS_OPTIONS)
@click.pass_context
def measure(ctx: click.Context, /, data: str, subset: str, **options: Any) -> None:
    """Measure how evenly rows of DATA are spread, beside random subsets of the same size.

    SUBSET names the rows: a manifest of `evenly select`, whose options are taken unless others
    are given; a .npy array of row numbers; or a text file with one row number (from 0) a line.
    """
    from evenly.report import measures_table
    from evenly.run import run_measure

    as_json, random_subsets, seed = (
        options.pop(name) for name in ("as_json", "random_subsets", "seed")
    )
    arguments = {**_embedding_arguments(options), **options}
    measures, normalized = run_measure(
        sys.stdin.buffer if data == "-" else data,
        subset,
        _given(ctx, arguments),
        arguments,
        random_subsets=random_subsets,
        seed=seed,
        progress=ctx.obj,
    )
    if as_json:
        click.echo(json.dumps(measures.as_dict(), indent=1))
    else:
        click.echo(measures_table(measures, normalized=normalized))


@main.command()
@click.argument("data")
@_options(_TEXT_OPTIONS)
@click.option("-o", "--output", required=True, metavar="FILE.npy", help="Where the vectors go.")
@_FORCE_OPTION
@_options(_LOUDNESS_OPTIONS)
@click.pass_context
def embed(ctx: click.Context, /, data: str, output: str, *, force: bool, **options: Any) -> None:
    """Embed the texts of DATA and write the vectors, (n, d) float32, as .npy.

    They go through the same cache as `select`, and `select` takes the .npy as DATA.
    """
    from evenly.report.table import format_seconds
    from evenly.run import run_embedding

    embeddings = run_embedding(
        sys.stdin.buffer if data == "-" else data,
        output,
        force=force,
        progress=ctx.obj,
        **_embedding_arguments(options),
    )
    click.echo(
        f"{len(embeddings):,} × {embeddings.vectors.shape[1]} vectors by {embeddings.encoder} "
        f"in {format_seconds(embeddings.seconds)} ({embeddings.reused:,} from the cache, "
        f"{embeddings.truncated:,} texts over the window): {output}"
    )


@main.group()
def cache() -> None:
    """Look at or empty the embedding cache."""


_CACHE_OPTION = click.option(
    "--cache-dir", type=click.Path(file_okay=False), help="The folder; by default the user's cache."
)


@cache.command("info")
@_CACHE_OPTION
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def cache_info(*, cache_dir: str | None, as_json: bool) -> None:
    """Say where the cache is and what it holds."""
    from evenly.run import cache_table

    click.echo(cache_table(cache_dir, as_json=as_json))


@cache.command("clear")
@_CACHE_OPTION
def cache_clear(*, cache_dir: str | None) -> None:
    """Delete every cached embedding."""
    from evenly.embedding import open_cache

    opened = open_cache(cache_dir)
    assert opened is not None
    click.echo(f"{opened.clear() / 1e6:.1f} MB freed in {opened.folder}")


@main.command()
@click.option(
    "-b", "--budget", callback=_number, default="0.1", show_default=True, metavar="ROWS|FRACTION"
)
@click.option(
    "-o",
    "--output",
    default="evenly-demo/chosen.jsonl",
    show_default=True,
    help="Where the chosen records go; an earlier demo's are overwritten.",
    type=click.Path(dir_okay=False, path_type=Path),
)
@click.option(
    "--encoder", default="all-MiniLM-L6-v2", show_default=True, metavar="NAME|PATH|static"
)
@_options(_LOUDNESS_OPTIONS)
@click.pass_context
def demo(ctx: click.Context, budget: int | float, output: Path, encoder: str) -> None:
    """Select among the docstrings of the installed numerical packages: no network, no data."""
    from evenly.demo import run_demo

    click.echo(run_demo(budget, output, encoder, progress=ctx.obj))
