"""Intervals, comparisons and the files written by `reg2rg evaluate`."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from command_line import Run, error_line, run_process
from evaluation_files import NORMAL, evaluated, row, write_pairs, write_rows

from reg2rg.errors import InputError
from reg2rg.evaluation import run
from reg2rg.evaluation.bootstrap import Bootstrap, holm, mean_statistic
from reg2rg.evaluation.evaluate import evaluate
from reg2rg.evaluation.output.result_files import write_evaluation
from reg2rg.evaluation.tables import Interval, Spread, Table, to_csv, to_markdown
from reg2rg.labeler import LABELS
from reg2rg.runtime.csv_output import write_csv

NODULE = "There is a nodule in the upper lobe of the right lung."
EFFUSION = "Pleural effusion is seen on the left."


def test_an_interval_contains_the_mean_and_shrinks_with_the_number_of_cases():
    values = np.random.default_rng(1).normal(size=400)
    few, many = (Bootstrap(n, 0).interval(mean_statistic(values[:n], range(n), n)) for n in (40, 400))
    assert many.low < values.mean() < many.high
    assert (few.high - few.low) / (many.high - many.low) == pytest.approx(10**0.5, rel=0.35)
    assert many.high - many.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.15)


def test_the_texts_of_a_case_are_resampled_together():
    values, owners = [0.0, 1.0] * 50, list(range(100))
    apart = Bootstrap(100, 0).interval(mean_statistic(values, owners, 100))
    alike = Bootstrap(2, 0).interval(mean_statistic(values, [int(value) for value in values], 2))
    assert (alike.low, alike.high) == (0, 1) and apart.high - apart.low < 0.3


def test_without_values_there_is_no_interval():
    interval = Bootstrap(3, 0).interval(mean_statistic([], [], 3))
    assert np.isnan([interval.value, interval.low, interval.high]).all()


def test_equal_systems_do_not_differ_and_a_better_one_does():
    values = np.random.default_rng(2).random(200)
    first, same, better = (mean_statistic(values + by, range(200), 200) for by in (0, 0, 0.1))
    bootstrap = Bootstrap(200, 0)
    assert bootstrap.difference(first, same) == (Interval(0, 0, 0), 1.0)
    difference, p = bootstrap.difference(better, first)
    assert (difference.value, difference.low, difference.high) == pytest.approx((0.1, 0.1, 0.1)) and p < 0.001


def test_random_differences_are_significant_at_the_nominal_rate():
    rng = np.random.default_rng(3)
    bootstrap = Bootstrap(60, 0)
    drawn = (mean_statistic(rng.normal(size=60), range(60), 60) for _ in range(400))
    p_values = [bootstrap.difference(first, second)[1] for first, second in zip(drawn, drawn, strict=True)]
    assert 0.01 < np.mean(np.array(p_values) < 0.05) < 0.10


def test_holm_adjusts_for_the_number_of_tests():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])  # 3x, then 2x; never below the previous one
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_table_has_the_same_content_in_every_format():
    rows = (("a", 1234, 0.0002, Spread(1, 2), Interval(0.5, 0.4, 0.6)), ("b|c", 0, None, None, None))
    table = Table("key", "Title", "Note.", ("name", "n", "x", "s", "i"), rows, "rules-1")
    markdown, text = to_markdown(table), to_csv(table)
    assert "| a | 1,234 | < 0.001 | 1.000 ± 2.000 | 0.500 (0.400 to 0.600) |" in markdown
    assert "| b\\|c | 0 | – | – | – |" in markdown and "Note. Findings extracted by rules-1." in markdown
    assert text.splitlines() == [
        "name,n,x,s,s std,i,i low,i high,labeler",
        "a,1234,0.0002,1,2,0.5,0.4,0.6,rules-1",
        "b|c,0,,,,,,,rules-1",
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_a_csv_file_is_run_as_a_formula(start: str):
    stream = io.StringIO(newline="")
    write_csv(stream, [("case", "value"), (f"{start}cmd|' /C calc'!A0", -0.5), (f"case{start}", None)])
    rows = list(csv.reader(io.StringIO(stream.getvalue(), newline="")))
    assert rows == [["case", "value"], [f"'{start}cmd|' /C calc'!A0", "-0.5"], [f"case{start}", ""]]


def test_names_in_dropped_csv_and_in_tables_are_not_formulas(tmp_path: Path):
    rows = [("=1+1", "", "Clear."), ("a", "No nodule.", "No nodule.")]
    write_evaluation(evaluated(write_rows(tmp_path / "a.csv", rows)), tmp_path / "out")
    assert (tmp_path / "out" / "dropped.csv").read_text().splitlines()[1] == "'=1+1,,empty reference"


def test_only_one_file_writes_csv(repository: Path):
    sources = (repository / "Reg2RGExtension" / "reg2rg").rglob("*.py")
    writers = [file.name for file in sources if re.search(r"csv\.(Dict)?[wW]riter\(|to_csv\(\w*path", file.read_text())]
    assert writers == ["csv_output.py"]


def test_two_systems_are_compared_on_the_texts_that_both_have(tmp_path: Path):
    references = [NODULE, EFFUSION, NORMAL, NODULE] * 6
    first = write_pairs(tmp_path / "first.csv", references, [NORMAL] * 24)
    rows = [(f"case_{n}", text, text) for n, text in enumerate(references) if n]  # case_0 is missing, case_1 differs
    rows[0] = ("case_1", "Another reference.", EFFUSION)
    second = write_rows(tmp_path / "second.csv", [*rows, ("case_x", NORMAL, NORMAL)])
    evaluation = evaluated(first, compare_with=second)
    f1 = row(evaluation, "comparison", "micro F1")
    assert (f1["first"], f1["second"], f1["difference"].value) == (0, 1, 1) and f1["p (Holm)"] < 0.05
    left_out = {item.case: item.reason for item in evaluation.dropped}
    assert left_out == {
        "case_0": "missing from the second system",
        "case_1": "different references in the two systems",
        "case_x": "missing from the first system",
    }
    same = evaluated(first, compare_with=first).table("comparison")
    assert all(cell.value == 0 for cell in same.column("difference")) and set(same.column("p")) == {1.0}


def test_every_table_of_findings_names_its_labeler(tmp_path: Path):
    evaluation = evaluated(write_pairs(tmp_path / "a.csv", [NODULE], [NORMAL]))
    with_findings = {"summary", "clinical", "labels", "normal_bias", "rare_findings", "location", "contradictions"}
    assert {table.key for table in evaluation.tables if table.labeler} == with_findings
    assert evaluation.about["labeler"].startswith("rules-")


class Pessimist:
    """A labeler that finds everything in every text."""

    name = "pessimist-1"

    def label(self, texts, region=None) -> np.ndarray:
        return np.ones((len(texts), len(LABELS)), bool)


def test_labels_come_from_the_chosen_labeler_and_locations_from_rules(tmp_path: Path):
    evaluation = evaluate([write_pairs(tmp_path / "a.csv", [NODULE, NORMAL], [NODULE, NORMAL])], labeler=Pessimist())
    assert row(evaluation, "labels", "Cardiomegaly")["in references"] == 2
    assert evaluation.table("labels").labeler == "pessimist-1"
    assert row(evaluation, "location", "all labels")["findings"] == 1
    assert evaluation.table("location").labeler.startswith("rules-")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("references", "predictions"),
    [
        (["Clear"], ["Clear"]),  # one case with one word
        ([NODULE, NODULE], ["", ""]),
        ([NORMAL, NORMAL], [NORMAL, NORMAL]),  # no findings
        (["."] * 3, ["!", "?", ""]),  # no words
        (["a " * 3000, "b"], ["c " * 3000, "d"]),
    ],
)
def test_unusual_texts_give_results_in_every_format(tmp_path: Path, references, predictions):
    evaluation = evaluated(write_pairs(tmp_path / "lung_reports.csv", references, predictions))
    write_evaluation(evaluation, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert len(written["tables"]["summary"]["rows"]) > 20
    assert (tmp_path / "out" / "collapse.png").read_bytes().startswith(b"\x89PNG")


def test_results_of_an_earlier_run_are_removed(tmp_path: Path):
    file = write_pairs(tmp_path / "a.csv", [NODULE, NORMAL], [NODULE, NORMAL])
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("kept")
    write_evaluation(evaluated(file, compare_with=file), tmp_path / "out")
    assert (tmp_path / "out" / "comparison.csv").is_file()
    write_evaluation(evaluated(file), tmp_path / "out")
    assert not (tmp_path / "out" / "comparison.csv").exists() and (tmp_path / "out" / "mine.txt").is_file()


@pytest.mark.slow
def test_the_command_writes_all_files_reproducibly(tmp_path: Path):
    rows = [(f"case <{n}>", text, NODULE) for n, text in enumerate([NODULE, NORMAL, EFFUSION, ""])]
    file, first, second = write_rows(tmp_path / "predictions.csv", rows), tmp_path / "one", tmp_path / "two"
    finished = run_process("evaluate", file, "-o", first)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == f"{first / 'evaluation.html'}\n" and finished.stderr.startswith("Reading predictions\n")
    assert run([file], second) == second / "evaluation.html"
    names = {path.name for path in first.iterdir()}
    assert names == {path.name for path in second.iterdir()}
    assert {"metrics.json", "evaluation.md", "evaluation.html", "nlg.csv", "dropped.csv", "lengths.png"} <= names
    assert all((first / name).read_bytes() == (second / name).read_bytes() for name in names)
    page = (first / "evaluation.html").read_text()
    assert "http" not in page and "case &lt;" not in page and "empty reference (1)" in page
    with (first / "dropped.csv").open() as stream:
        assert list(csv.reader(stream))[1:] == [["case <3>", "", "empty reference"]]


def test_invalid_options_and_files_are_rejected_and_nothing_is_written(reg2rg: Run, tmp_path: Path):
    file = write_pairs(tmp_path / "a.csv", [NODULE], [NODULE])
    columns = write_rows(tmp_path / "columns.csv", [("1", "a")], ("id", "text"))
    assert "expected exactly one column AccNum" in error_line(reg2rg("evaluate", columns, "-o", tmp_path / "out"), 2)
    for options, message in (
        ({"level": "sentence"}, "expected one of: report, region"),
        ({"labeler": "oracle"}, "Unknown labeler 'oracle'"),
        ({"labeler": str(tmp_path)}, "does not contain"),
        ({"compare_with": columns}, "expected exactly one column AccNum"),
        ({"references": columns}, "expected exactly one column Volumename"),
    ):
        with pytest.raises(InputError, match=message):
            run([file], tmp_path / "out", **options)
    with pytest.raises(InputError, match="is a file"):
        run([file], file)
    assert not (tmp_path / "out").exists()


def test_only_the_command_line_the_benchmark_and_learning_import_the_evaluation(repository: Path):
    engine = repository / "Reg2RGExtension" / "reg2rg"
    allowed = {"evaluation", "benchmark", "learning", "cli"}
    others = [file for file in engine.rglob("*.py") if allowed.isdisjoint(file.relative_to(engine).parts)]
    assert len(others) > 70
    assert not [file for file in others if "reg2rg.evaluation" in file.read_text(encoding="utf-8")]
