"""`import evenly`: its names, and no heavy library until one is used."""

import subprocess
import sys

import pytest

import evenly
from evenly import errors

ERRORS = {name: one for name, one in vars(errors).items() if isinstance(one, type)}
HEAVY = (
    "torch",
    "faiss",
    "sentence_transformers",
    "transformers",
    "pandas",
    "pyarrow",
    "matplotlib",
)


def heavy_after(code, heavy):
    loaded = run_python(f"import sys\n{code}\nprint(*(set({heavy}) & set(sys.modules)))")
    return sorted(loaded.split())


def run_python(code):
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    return process.stdout.strip()


@pytest.mark.parametrize(
    "code",
    ["import evenly", "import evenly.cli", "import evenly; evenly.errors.EvenlyError; dir(evenly)"],
)
def test_nothing_heavy_is_loaded_at_first(code):
    assert heavy_after(code, (*HEAVY, "scipy", "tqdm", "datasets")) == []


def test_vectors_need_no_model_library():
    select = "import evenly, numpy; evenly.select_uniform(numpy.eye(4), 2)"

    assert heavy_after(select, HEAVY) == []


def test_importing_is_quick():
    code = "import time; t = time.perf_counter(); import evenly; print(time.perf_counter() - t)"

    assert min(float(run_python(code)) for _ in range(5)) < 0.2


def test_the_names_are_sorted_and_exist():
    assert evenly.__all__ == sorted(evenly.__all__)
    assert dir(evenly) == sorted([*evenly.__all__, "errors", "plot"])
    for name in evenly.__all__:
        assert getattr(evenly, name) is not None
    assert evenly.errors is errors
    assert evenly.select_uniform.__module__ == "evenly.selection.uniform"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'evenly' has no attribute 'select_unifrom'"):
        evenly.select_unifrom  # noqa: B018
    assert not hasattr(evenly, "numpy")


def test_all_errors_have_one_base():
    for error in ERRORS.values():
        base = errors.EvenlyWarning if issubclass(error, Warning) else errors.EvenlyError
        assert issubclass(error, base)
    for builtin, error in [
        (ValueError, errors.BudgetError),
        (ValueError, errors.DataError),
        (KeyError, errors.ColumnError),
        (IndexError, errors.RowError),
        (RuntimeError, errors.ModelNotFoundError),
        (ImportError, errors.MissingExtraError),
        (FileExistsError, errors.OutputExistsError),
    ]:
        assert issubclass(error, builtin)


def test_the_docstring_lists_all_errors():
    for name in ERRORS:
        assert name in errors.__doc__ or name.endswith("Warning")


def test_messages_print_as_they_are():
    assert str(errors.ColumnError("no column 'x'")) == "no column 'x'"
    assert "pip install 'evenly[parquet]'" in str(
        errors.MissingExtraError("pyarrow", "parquet", "reading x.parquet")
    )
