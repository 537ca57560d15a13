"""The options that say how a data set becomes vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any, Literal

from evenly.errors import OptionError
from evenly.memory import memory_bytes
from evenly.options import checks
from evenly.options.declaration import Options, option

DEFAULT_ENCODER = "all-MiniLM-L6-v2"
OnInvalid = Literal["error", "drop"]
TextColumns = str | Sequence[str] | Callable[[Any], str] | None
ENGINES = ("auto", "memory", "cuda", "faiss", "mapped", "distances", "sharded")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class EncoderOptions(Options):
    """The options of the embedding model, passed as `encoder_options`."""

    batch_size: int | None = option(
        None,
        "The number of texts that the encoder takes at once.",
        check=checks.optional(checks.whole(1)),
    )
    dtype: str | None = option(
        None,
        "The number type that the model computes in.",
        choices=("float32", "float16", "bfloat16"),
    )
    prompt: str | None = option(
        None, "A text to put before every text.", check=checks.optional(checks.text)
    )
    backend: str = option(
        "torch",
        "The library that runs the model.",
        choices=("torch", "onnx"),
    )
    max_length: int | None = option(
        None,
        "The number of tokens of a text that the model reads.",
        check=checks.optional(checks.whole(1)),
    )
    trust_remote_code: bool = option(
        False,
        "Run the code that comes with the model.",
        check=checks.flag,
    )


def _encoder_options(name: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise OptionError(
            f"{name} must be a mapping of names to values, got {checks.shown(value)}."
        )
    allowed = [one.name for one in fields(EncoderOptions)]
    unknown = [given for given in value if given not in allowed]
    if unknown:
        raise OptionError(
            f"encoder_options has no option {checks.shown(unknown[0])}. The options are: "
            f"{', '.join(allowed)}."
        )
    EncoderOptions(**value)  # checks them


def _roles(name: str, value: Any) -> None:
    if not checks.are_words(value):
        raise OptionError(
            f"{name} must name at least one role, such as user or assistant, "
            f"got {checks.shown(value)}."
        )


def _encoder(name: str, value: Any) -> None:
    if not checks.is_path(value) and not hasattr(value, "encode"):
        raise _no_encoder(name, value)
    # Strings and their like encode, too, and classes do not encode until they are made.
    if isinstance(value, type | str) and not checks.is_path(value):
        raise _no_encoder(name, value)


def _no_encoder(name: str, value: Any) -> OptionError:
    return OptionError(
        f'{name} must be a model name, a path, "static", a SentenceTransformer or an object with '
        f"encode(list of texts), got {type(value).__name__}: {checks.shown(value)}."
    )


def _memory(name: str, value: Any) -> None:
    if value is None or isinstance(value, str):
        memory_bytes(value)
    elif not 0 < checks.as_float(value) < math.inf:
        raise OptionError(
            f'{name} must be a number of bytes above 0, or a string such as "2GB", '
            f"got {checks.shown(value)}."
        )


def _vectors(name: str, value: Any) -> None:
    if value is None or checks.is_path(value):
        return
    several = hasattr(value, "__len__") and getattr(value, "ndim", 1) in (1, 2)
    if not several or isinstance(value, str | bytes | Mapping | type):
        raise OptionError(
            f"{name} must be a column of lists of numbers, the path of a file of vectors, or an "
            f"array with a vector for each row, got {checks.shown(value)}."
        )


def _address(name: str, value: Any) -> None:
    if not isinstance(value, str) or not (value == "auto" or ":" in value):
        raise OptionError(
            f'{name} must be "auto" or the address of a Ray cluster, such as "ray://head:10001" or '
            f'"10.0.0.1:6379", got {checks.shown(value)}.'
        )


def _cache_dir(name: str, value: Any) -> None:
    if value is not None and value is not False:
        checks.a_path(name, value)


# The ids of rows find both the vectors of rows and the rows of rules.
ID_COLUMN: dict[str, Any] = {
    "help": "The column of ids by which rows are named, and found in a table of vectors.",
    "doc": "the column of ids, or the ids (n,), by which rows can be named. If `vectors` are a "
    "table that has the column, too, rows and vectors are matched by it.",
    "check": checks.optional(checks.column_or_several),
    "form": "column_or_array",
    "metavar": "COLUMN",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class InputOptions(Options):
    """How a data set is read and becomes vectors, and what computes with these."""

    text: TextColumns = option(
        None,
        "The column to embed, or several to join; detected automatically if unambiguous.",
        "the column that holds the text, several columns to join, or a function of the record; "
        "detected automatically if unambiguous. Chat data (`messages`, `conversations`) are "
        "understood.",
        check=checks.optional(checks.columns_or_function),
        form="columns",
        metavar="COLUMN[,COLUMN…]",
    )
    roles: Sequence[str] = option(
        ("user",),
        "The roles whose messages are the text of chat data.",
        check=_roles,
        form="list",
        metavar="ROLE[,ROLE…]",
    )
    vectors: Any = option(
        None,
        "The vectors of the rows, in the same order, instead of embedding: a .npy, .safetensors "
        "or .parquet file.",
        "the vectors of the rows, if they have some already: the name of a column of lists of "
        "numbers; a path of vectors (a string with a suffix such as .npy, or a slash) or an "
        "array, with a vector for each row in the order of the rows. Texts are then not embedded, "
        "only shown, and counted for `token_budget`. On the command line, `--vectors-column` "
        "names the column.",
        check=_vectors,
        form="path",
        metavar="FILE|FOLDER",
    )
    id_column: Any = option(None, **ID_COLUMN)
    encoder: Any = option(
        DEFAULT_ENCODER,
        "The embedding model: a sentence-transformers name, a path, or static.",
        'the embedding model: a sentence-transformers name, a path, "static", a '
        "SentenceTransformer, or any object with `encode(list[str]) -> (n, d)`.",
        check=_encoder,
        metavar="NAME|PATH|static",
    )
    encoder_options: Mapping[str, Any] | None = option(
        None,
        "Options of the encoder: batch_size, dtype, prompt, backend, max_length, "
        "trust_remote_code.",
        check=_encoder_options,
        flags=(),
    )
    normalize: bool = option(
        True,
        "Divide every row by its length first.",
        "divide every row by its length first, so that the order of distances is the order of "
        "cosine distances.",
        check=checks.flag,
        flags=("--normalize/--no-normalize",),
        form="switch",
    )
    engine: str = option(
        "auto",
        "What computes; the answer is the same.",
        'what computes; the answer is the same. "memory": matrix products on the processor. '
        '"cuda": a GPU, through torch. "faiss": like "memory", with a FAISS index to find '
        'neighbours. "mapped": vectors stay on disk, and no more than `memory` is used. '
        '"sharded": several engines whose frontiers are merged. "distances": `data` is a '
        'symmetric matrix (n, n) of distances in any metric. "auto": "mapped" if the vectors '
        "do not fit in `memory` (by default half of the free memory), "
        '"cuda" for large pools if there is a GPU, else "memory".',
        choices=ENGINES,
        metavar="|".join(ENGINES),
    )
    device: str = option(
        "auto",
        "The device for the encoder and the engine cuda: auto, cpu, cuda, mps, …",
        'the device for the encoder and the engine "cuda": "auto", "cpu", "cuda", "mps", …',
        check=checks.device,
        metavar="DEVICE",
    )
    cluster: str | None = option(
        None,
        "The Ray cluster to compute on: auto, or its address.",
        'the Ray cluster to compute on: "auto" for the one of this machine, or its address, such '
        'as "ray://head:10001". A worker on each machine holds a part of the rows; files must be '
        "where all machines see them. The answer is the same. Needs the extra `ray`.",
        check=checks.optional(_address),
        metavar="auto|ADDRESS",
    )
    memory: str | float | None = option(
        None,
        "How much memory the run may use, such as 2GB: what does not fit stays on disk.",
        'how much memory the run may use: "2GB", or a number of bytes. Records are read in '
        "pieces, and vectors that do not fit stay in their files, or those of texts in a temporary "
        "file beside the cache. The interpreter and the libraries come on top.",
        check=_memory,
        metavar="SIZE",
    )
    on_invalid: OnInvalid = option(
        "error",
        "What to do with rows that have no usable text or vector: error or drop.",
        'what to do with rows that have no usable text or vector: "error", or "drop" to leave '
        "them out; `provenance.dropped` lists them.",
        choices=("error", "drop"),
    )
    cache_dir: str | PathLike[str] | Literal[False] | None = option(
        None,
        "The folder of the embedding cache.",
        "the folder of the embedding cache; False for no cache.",
        check=_cache_dir,
        form="folder",
    )
    progress: bool | None = option(
        None,
        "Whether to draw progress bars on stderr; by default if stderr is a terminal.",
        check=checks.optional(checks.flag),
        flags=(),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        own_encoder = not isinstance(self.encoder, str) or self.encoder != DEFAULT_ENCODER
        if self.vectors is not None and (own_encoder or self.encoder_options):
            raise OptionError(
                "vectors= and encoder= both say what the vectors are: give one. With vectors=, no "
                "text is embedded."
            )
