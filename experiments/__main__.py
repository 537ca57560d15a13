"""Run an experiment: `python -m experiments NAME [--quick]`."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

NAMES = (
    *("density_and_h_min", "gradient_descent", "approximation"),
    *("classification", "finetuning", "dirty_pool"),
)


class _Formatter(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Help with the description as it is written, and with the defaults of options."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        shown = action.default not in (None, False)
        return super()._get_help_string(action) if shown else action.help


def main(arguments: list[str] | None = None) -> None:
    """Run the experiment that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m experiments", description=__doc__)
    commands = parser.add_subparsers(dest="name", required=True)
    for name in NAMES:
        module = import_module(f"experiments.{name}")
        about = module.__doc__ or ""
        command = commands.add_parser(
            name, help=about.splitlines()[0], description=about, formatter_class=_Formatter
        )
        command.add_argument("--quick", action="store_true", help="a small trial on made-up data")
        command.add_argument(
            "--folder", type=Path, default=Path("results"), help="where results are kept"
        )
        module.add_arguments(command)
    options = parser.parse_args(arguments)
    import_module(f"experiments.{options.name}").main(options)


if __name__ == "__main__":
    main()
