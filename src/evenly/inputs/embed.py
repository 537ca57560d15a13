"""`embed`: the vectors of a data set, through the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any, Literal

from evenly.embedding import Embeddings
from evenly.errors import OptionError
from evenly.inputs.prepare import prepare
from evenly.options import DEFAULT_ENCODER, InputOptions, TextColumns, documented


@documented(InputOptions)
def embed(
    data: Any,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    encoder: Any = DEFAULT_ENCODER,
    encoder_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    progress: bool | None = None,
) -> Embeddings:
    """Embed every row of a data set, through the cache.

    Args:
        data: texts, records, a data frame, a data set or a path; see `select_uniform`.

    Returns:
        Embeddings: `vectors` is (n, d) float32, as the encoder returned them (not normalised),
        one row for each row of `data`.

    Raises:
        TextError: rows have no usable text.
        ModelNotFoundError: the encoder's weights could not be found or downloaded.

    Cost: one pass of the encoder over each distinct text that is not in the cache.
    """
    return embed_rows(data, replace(InputOptions.of(locals()), normalize=False))


def embed_rows(data: Any, options: InputOptions) -> Embeddings:
    """Embed every row of a data set; see `embed`."""
    prepared = prepare(data, options)
    if prepared.embeddings is None:
        raise OptionError(f"{prepared.samples.origin} holds vectors already; nothing to embed.")
    return prepared.embeddings
