"""`embed`: the vectors of a data set, through the cache."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Literal

from evenly.embedding import Embeddings
from evenly.errors import OptionError
from evenly.inputs.prepare import TextColumns, prepare

__all__ = ["embed"]


def embed(
    data: Any,
    *,
    text: TextColumns = None,
    roles: Sequence[str] = ("user",),
    encoder: Any = "all-MiniLM-L6-v2",
    encoder_options: Mapping[str, Any] | None = None,
    device: str = "auto",
    cache_dir: str | PathLike[str] | Literal[False] | None = None,
    progress: bool | None = None,
) -> Embeddings:
    """Embed every row of a data set, through the cache.

    Args:
        data: texts, records, a data frame, a data set or a path; see `select_uniform`.
        text: the column or columns that hold the text, or a function of the record.
        roles: of chat data, whose messages are the text.
        encoder: a sentence-transformers name, a path, "static", or anything with
            `encode(list[str]) -> (n, d)`.
        encoder_options: for `evenly.embedding.load_encoder`: batch_size, dtype, prompt,
            backend, max_length, trust_remote_code.
        device: "auto", "cpu", "cuda", "mps", …
        cache_dir: folder of the embedding cache; False for none.
        progress: a progress bar on stderr; by default when stderr is a terminal.

    Returns:
        Embeddings: `vectors` is (n, d) float32, as the encoder gave them (not normalised),
        one row for each row of `data`.

    Raises:
        TextError: rows without a usable text.
        ModelNotFoundError: the encoder's weights are not to be had.

    Cost: one pass of the encoder over each distinct text that the cache does not hold.
    """
    prepared = prepare(
        data,
        text=text,
        roles=roles,
        encoder=encoder,
        encoder_options=encoder_options,
        device=device,
        normalize=False,
        cache_dir=cache_dir,
        progress=progress,
    )
    if prepared.embeddings is None:
        raise OptionError(f"{prepared.samples.origin} holds vectors already; nothing to embed.")
    return prepared.embeddings
