"""`evenly cache`: show or empty the embedding cache."""

from __future__ import annotations

import json

import click

from evenly.cli.main import main
from evenly.cli.options import JSON, declared_options, with_options
from evenly.options import InputOptions

_FOLDER = declared_options(InputOptions, "cache_dir")


@main.group()
def cache() -> None:
    """Show or empty the embedding cache."""


@cache.command("info")
@with_options(_FOLDER, JSON)
def cache_info(*, cache_dir: str | None, as_json: bool) -> None:
    """Show where the cache is and what it holds."""
    from evenly.embedding import open_cache
    from evenly.tables import count, two_columns

    opened = open_cache(cache_dir)
    assert opened is not None  # only cache_dir=False means none
    info = opened.info()
    if as_json:
        models = [model.__dict__ for model in info.models]
        sizes = {"density_bytes": info.density_bytes, "copied_bytes": info.copied_bytes}
        shown = {"folder": str(info.folder), "models": models, **sizes}
        click.echo(json.dumps(shown, indent=1))
        return
    rows = [
        ("folder", str(info.folder)),
        ("in all", f"{count(info.rows, 'vector')}, {info.bytes / 1e6:.1f} MB"),
    ]
    for model in info.models:
        vectors, shards = count(model.rows, "vector"), count(model.shards, "shard")
        held = f"{vectors}, {model.bytes / 1e6:.1f} MB, {shards}"
        rows.append((model.name, f"{held}, {model.fingerprint[:19]}…"))
    if info.density_bytes:
        rows.append(("densities", f"{info.density_bytes / 1e6:.1f} MB"))
    if info.copied_bytes:
        rows.append(("files of URLs", f"{info.copied_bytes / 1e6:.1f} MB"))
    click.echo(two_columns(rows))


@cache.command("clear")
@with_options(_FOLDER)
def cache_clear(*, cache_dir: str | None) -> None:
    """Delete every cached embedding, densities, and copies of files at URLs."""
    from evenly.embedding import open_cache

    opened = open_cache(cache_dir)
    assert opened is not None
    click.echo(f"{opened.clear() / 1e6:.1f} MB freed in {opened.folder}")
