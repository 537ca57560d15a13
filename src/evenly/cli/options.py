"""The options that commands share, and what they become as arguments of the library."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import click

from evenly.errors import EvenlyWarning

__all__ = [
    "BUDGET",
    "CHECKPOINT",
    "ENGINE",
    "FORCE",
    "LOUDNESS",
    "MEASURING",
    "MODEL",
    "OUTLIERS",
    "OUTPUT",
    "PACKING_ENGINE",
    "REFINE",
    "RUNNING",
    "SPACE",
    "TEXT",
    "VECTORS",
    "Option",
    "embedding_arguments",
    "given",
    "number",
    "row_or_name",
    "with_options",
]

Option = Callable[[Any], Any]


def with_options(*groups: list[Option]) -> Option:
    """A decorator that adds all options of some groups to a command, in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return decorate


def _say_more(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        logging.getLogger("evenly").setLevel(logging.INFO)


def _say_less(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        logging.getLogger("evenly").setLevel(logging.ERROR)
        warnings.simplefilter("ignore", EvenlyWarning)
        ctx.obj = False


def _columns(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """`a` is one column, `a,b` several."""
    if value is None or "," not in value:
        return value
    return [name.strip() for name in value.split(",")]


def _roles(ctx: click.Context, param: click.Parameter, value: str) -> list[str]:
    return [role.strip() for role in value.split(",")]


def _certificate(ctx: click.Context, param: click.Parameter, value: str) -> bool | str:
    return {"yes": True, "no": False}.get(value, value)


def number(ctx: click.Context, param: click.Parameter, value: str | None) -> int | float | None:
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


def row_or_name(ctx: click.Context, param: click.Parameter, value: str) -> int | str:
    """`3` is a row number, anything else a name."""
    try:
        return int(value)
    except ValueError:
        return value


# Taken before and after the command's name; `ctx.obj` is the library's `progress`.
LOUDNESS = [
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

TEXT = [
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
        callback=_roles,
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
]

_SHAPING_THE_VECTORS = [
    click.option(
        "--dtype", type=click.Choice(["float32", "float16", "bfloat16"]), help="Of the model."
    ),
    click.option("--prompt", help="Put before every text."),
    click.option("--backend", type=click.Choice(["torch", "onnx"]), help="What runs the model."),
    click.option("--max-length", type=int, help="Tokens of a text that the model reads."),
]

# How the model runs, whatever its vectors are.
RUNNING = [
    click.option("--device", default="auto", show_default=True, help="cpu, cuda, mps, …"),
    click.option("--batch-size", type=int, help="Texts the encoder takes at once."),
    click.option("--trust-remote-code", is_flag=True, help="Run code that comes with the model."),
    click.option(
        "--cache-dir", type=click.Path(file_okay=False), help="Folder of the embedding cache."
    ),
    click.option("--no-cache", is_flag=True, help="Neither read nor write the embedding cache."),
]

MODEL = [*_SHAPING_THE_VECTORS, *RUNNING]

VECTORS = [
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
]

SPACE = [
    *VECTORS,
    click.option("--seed", type=int, default=0, show_default=True, help="For whatever is random."),
]

MEASURING = [
    click.option(
        "--random-subsets",
        type=click.IntRange(min=0),
        default=3,
        show_default=True,
        help="Random subsets of the same size to measure beside it.",
    ),
    click.option(
        "--certificate",
        type=click.Choice(["yes", "no", "thorough"]),
        default="yes",
        show_default=True,
        callback=_certificate,
        help="Prove how far from the best possible h_min the subset is at most.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print numbers for machines, as JSON."),
]

BUDGET = [
    click.option(
        "-b",
        "--budget",
        callback=number,
        metavar="ROWS|FRACTION",
        help="How many rows: 500, or 0.5 for half of them.",
    )
]

OUTLIERS = [
    click.option(
        "--drop-outliers",
        type=float,
        metavar="FRACTION",
        help="Leave out this fraction of rows, those farthest from their nearest rows: 0.005.",
    )
]

REFINE = [
    click.option(
        "--refine",
        type=click.Choice(["search", "exact"]),
        help="Afterwards look for rows that are farther apart, or for the best and its proof.",
    ),
    click.option(
        "--refine-seconds",
        type=float,
        metavar="SECONDS",
        help="The most that takes; else it ends when nothing more is found.",
    ),
]

ENGINE = [
    click.option(
        "--engine",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="Who computes: auto, memory, cuda, faiss, mapped, distances, sharded.",
    ),
    click.option("--memory", metavar="SIZE", help="What vectors and engine may take, such as 2GB."),
]

CHECKPOINT = [
    click.option(
        "--checkpoint",
        type=click.Path(dir_okay=False),
        metavar="FILE",
        help="Keep the picks so far here; if it is there, continue from it.",
    )
]

FORCE = [click.option("--force", is_flag=True, help="Overwrite an existing output.")]

PACKING_ENGINE = [
    click.option(
        "--engine",
        default="auto",
        show_default=True,
        metavar="NAME",
        help="Where the vectors are: auto, memory, mapped, distances.",
    ),
    click.option("--memory", metavar="SIZE", help="What vectors may take, such as 2GB."),
]

OUTPUT = [
    click.option(
        "-o", "--output", metavar="FILE|-", help="Where the chosen records go; - for stdout."
    ),
    click.option(
        "--order",
        type=click.Choice(["picked", "file"]),
        default="picked",
        show_default=True,
        help="Order of the records in the output.",
    ),
    *FORCE,
]

_OF_THE_ENCODER = ("batch_size", "dtype", "prompt", "backend", "max_length", "trust_remote_code")


def embedding_arguments(options: dict[str, Any]) -> dict[str, Any]:
    """The options, those that say how texts become vectors as the library takes them."""
    rest = dict(options)
    cache_dir, no_cache = rest.pop("cache_dir"), rest.pop("no_cache")
    of_the_encoder = {name: rest.pop(name, None) for name in _OF_THE_ENCODER}
    return {
        **rest,
        "cache_dir": False if no_cache else cache_dir,
        "encoder_options": {
            name: value
            for name, value in of_the_encoder.items()
            if value is not None and value is not False
        },
    }


def given(ctx: click.Context, arguments: dict[str, Any]) -> dict[str, Any]:
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
