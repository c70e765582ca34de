"""All accepted kinds of predictions are read, bad files rejected with a clear message, and unscored texts listed."""

from __future__ import annotations

from pathlib import Path

import pytest
from evaluation_files import write_pairs, write_rows

from reg2rg.errors import InputError
from reg2rg.evaluation.inputs.pairing import pair_texts
from reg2rg.evaluation.inputs.prediction_files import read_predictions
from reg2rg.evaluation.inputs.predictions import DroppedItem, Level, PairedPredictions, TextPair
from reg2rg.evaluation.inputs.published_format import plain_text, recognized_regions, sections_by_region
from reg2rg.evaluation.inputs.references import read_references
from reg2rg.report import Geometry, Provenance, Report, Section

SLOTS = (
    "The region 0 is heart: Heart is large. The region 1 is trachea and bronchie: Open.\nThe region 2 is lung: Clear. "
)


def read(*files: Path, level: Level | None = None, references: Path | None = None) -> PairedPredictions:
    return pair_texts(read_predictions(files, references), level)


def refusal(*files: Path, **options) -> str:
    """Return the single-line error message that the files produce."""
    with pytest.raises(InputError) as caught:
        read(*files, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_slot_prefixes_and_other_report_markup_are_removed():
    ctrg = "The region 0 is lung: Clear.  The other report is: {pleura: No fluid.}{other: Scoliosis.}"
    assert plain_text(SLOTS) == "Heart is large. Open. Clear."
    assert plain_text(ctrg) == "Clear. No fluid. Scoliosis."
    assert sections_by_region(ctrg) == {"lung": "Clear."}


def test_sections_are_filed_by_region_name_and_joined_if_it_repeats():
    text = SLOTS + "The region 3 is lung: A nodule. The region 4 is spleen: Large. The region 5 is bone: "
    assert sections_by_region(text) == {
        "heart": "Heart is large.",
        "lung": "Clear. A nodule.",
        "trachea and bronchie": "Open.",
    }
    assert recognized_regions(text) == {
        0: "heart",
        1: "trachea and bronchie",
        2: "lung",
        3: "lung",
        4: "spleen",
        5: "bone",
    }


def test_both_published_column_spellings_are_read_and_label_columns_ignored(tmp_path: Path):
    combined = write_rows(tmp_path / "a.csv", [("c_1.nii.gz", "GT.", "Pred.")])
    header = ("AccNum", "Question", "GT text", "Pred text", "GT_Emphysema", "Pred_Emphysema", "GT_Lung nodule")
    labelled = write_rows(tmp_path / "b.csv", [("c_1.nii.gz", "GT.", "GT.", "Pred.", "1.0", "0.0", "0.0")], header)
    assert read(combined).pairs == read(labelled).pairs == (TextPair("c_1", None, "GT.", "Pred."),)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "latin-1", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings_are_detected_and_noted(tmp_path: Path, encoding: str):
    file = write_rows(tmp_path / "a.csv", [("c", "Größe 3 mm", "Größe 5 mm")], encoding=encoding)
    predictions = read(file)
    assert predictions.pairs[0].prediction == "Größe 5 mm"
    assert bool(predictions.notes) == (not encoding.startswith("utf-8"))


def test_region_files_are_identified_by_name(tmp_path: Path):
    lung = write_pairs(tmp_path / "radgenome_lung_reports.csv", ["Clear."], ["A nodule."])
    trachea = write_pairs(tmp_path / "trachea_and_bronchie_reports.csv", ["Open."], ["Narrow."])
    assert read(lung).pairs == (TextPair("case_0", "lung", "Clear.", "A nodule."),)
    assert [pair.region for pair in read(tmp_path).pairs] == ["lung", "trachea and bronchie"]
    whole = read(lung, trachea, level=Level.REPORT)
    assert whole.pairs == (TextPair("case_0", None, "Clear. Open.", "A nodule. Narrow."),) and whole.notes


def test_region_files_keep_the_order_of_the_list_they_were_selected_from(tmp_path: Path):
    write_rows(tmp_path / "bone_reports.csv", [("z", "A.", "A."), ("a", "A.", "A.")])
    write_rows(tmp_path / "lung_reports.csv", [("m", "A.", "A."), ("z", "A.", "A.")])
    assert read(tmp_path).cases == ("m", "z", "a")


def test_whole_reports_are_split_into_the_regions_that_both_texts_have(tmp_path: Path):
    prediction = "The region 0 is heart: Normal. The region 1 is pleura: Normal."
    predictions = read(write_pairs(tmp_path / "a.csv", [SLOTS], [prediction]), level=Level.REGION)
    assert predictions.pairs == (TextPair("case_0", "heart", "Heart is large.", "Normal."),)
    reasons = {(item.region, item.reason) for item in predictions.dropped}
    assert reasons == {("lung", "no prediction"), ("trachea and bronchie", "no prediction"), ("pleura", "no reference")}


def test_empty_predictions_are_scored_and_empty_references_dropped(tmp_path: Path):
    rows = [("a", "Clear.", ""), ("b", "Clear.", "NaN"), ("c", "", "Clear."), ("d", "nan", "Clear."), ("e", "A.", "B.")]
    predictions = read(write_rows(tmp_path / "a.csv", rows))
    assert [pair.prediction for pair in predictions.pairs] == ["", "", "B."]
    assert predictions.notes == ("Empty predictions score 0: 2 (a, b).",)
    assert predictions.dropped == tuple(DroppedItem(case, None, "empty reference") for case in "cd")


def test_the_first_of_duplicate_rows_is_scored_and_the_others_are_dropped(tmp_path: Path):
    rows = [("a", "Clear.", "First."), ("a.nii.gz", "Clear.", "Second."), ("", "Clear.", "Nobody's.")]
    predictions = read(write_rows(tmp_path / "a.csv", rows))
    assert [pair.prediction for pair in predictions.pairs] == ["First."]
    assert [item.case for item in predictions.dropped] == ["a", "row 4 of a.csv"]


def test_radgenome_references_replace_the_gt_column(tmp_path: Path):
    rows = [
        ("a.nii.gz", "lung", "Old."),
        ("a.nii.gz", "lung", "A nodule."),
        ("a.nii.gz", "heart", "Large."),
        ("a.nii.gz", "", "Heart and lung."),
        ("a.nii.gz", "left kidney", "A stone."),
        ("b.nii.gz", "lung", "Clear."),
    ]
    references = write_rows(tmp_path / "references.csv", rows, ("Volumename", "Anatomy", "Sentence"))
    given = [("a", "The region 0 is lung: Clear."), ("c", "The region 0 is lung: Clear.")]
    file = write_rows(tmp_path / "a.csv", given, ("AccNum", "Pred_combined_report"))
    predictions = read(file, references=references, level=Level.REGION)
    assert predictions.pairs == (TextPair("a", "lung", "A nodule.", "Clear."),)
    assert [(item.case, item.region) for item in predictions.dropped] == [
        ("a", "lung"), ("a", "heart"), ("c", None), ("b", None),
    ]  # fmt: skip
    assert any("left kidney (1)" in note for note in predictions.notes)
    assert read(file, references=references).pairs == (TextPair("a", None, "Large. A nodule.", "Clear."),)


def write_report(folder: Path, sections: dict[str, tuple[str, str]]) -> None:
    geometry = Geometry((1, 1, 1), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0))
    provenance = Provenance(
        "m", "00", "greedy", "cpu", "fp32", 0, 1, "s", "r", {}, "2026-01-01T00:00:00+00:00", {}, geometry
    )
    written = tuple(
        Section(region, recognized, text, (), True, False, 1.0, 0.0, (), ())
        for region, (recognized, text) in sections.items()
    )
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(Report(written, {}, provenance, None).to_json(), encoding="utf-8")


def test_report_folders_are_read_with_a_reference_file(tmp_path: Path):
    write_report(tmp_path / "reports" / "a", {"lung": ("pleura", "A nodule."), "heart": ("heart", "Large.")})
    rows = [("a.nii.gz", "lung", "Clear."), ("a.nii.gz", "heart", "Normal.")]
    references = write_rows(tmp_path / "references.csv", rows, ("Volumename", "Anatomy", "Sentence"))
    for path in (tmp_path / "reports", tmp_path / "reports" / "a"):
        predictions = read(path, references=references, level=Level.REGION)
        assert set(predictions.pairs) == {
            TextPair("a", "lung", "Clear.", "A nodule."),
            TextPair("a", "heart", "Normal.", "Large."),
        }
        assert predictions.slots["a"].predicted == {5: "pleura", 4: "heart"}
    assert "--references" in refusal(tmp_path / "reports")


def test_unusable_files_are_rejected_with_a_clear_message(tmp_path: Path):
    def bad(name: str, content: bytes) -> str:
        (tmp_path / name).write_bytes(content)
        return refusal(tmp_path / name)

    assert "does not exist" in refusal(tmp_path / "absent.csv")
    assert "is empty" in bad("empty.csv", b"") and "is empty" in bad("blank.csv", b"\n \n")
    assert "found none. Columns in the file: id, text" in bad("columns.csv", b"id,text\n1,a\n")
    assert "GT..., found 2" in bad("twice.csv", b"AccNum,GT_a,GT_b,Pred\n1,a,b,c\n")
    assert "GT..., found 2" in bad("same.csv", b"AccNum,GT,GT,Pred\n1,a,b,c\n")
    assert "is not a text file" in bad("picture.csv", bytes(range(256)) * 9)
    assert "there are no rows" in bad("header.csv", b"AccNum,GT,Pred\n")
    assert "empty reference (2x)" in bad("nothing.csv", b"AccNum,GT,Pred\n1,,a\n2,nan,b\n")
    plain = write_pairs(tmp_path / "plain.csv", ["Clear."], ["Clear."])
    assert "no section for any region" in refusal(plain, level=Level.REGION)
    lung = write_pairs(tmp_path / "lung_reports.csv", ["Clear."], ["Clear."])
    assert "must be named <region>_reports.csv" in refusal(lung, plain)
    assert "several files for the region 'lung'" in refusal(
        lung, write_pairs(tmp_path / "b_lung_reports.csv", ["A."], ["A."])
    )
    (tmp_path / "folder").mkdir()
    assert "neither region files" in refusal(tmp_path / "folder")
    (tmp_path / "folder" / "report.json").write_text("{}")
    assert "no schema_version" in refusal(tmp_path / "folder", references=plain)
    assert "cannot be scored together" in refusal(tmp_path / "folder", lung)


def test_a_row_with_more_or_fewer_cells_than_the_header_is_refused(tmp_path: Path):
    file = tmp_path / "a.csv"
    for row, count in (("a,Enlarged, with a nodule.,Enlarged.", 4), ("a,Enlarged.", 2), ("a,b,c,", 4)):
        file.write_text(f"AccNum,GT_report,Pred_report\nb,Clear.,Clear.\n\n{row}\n")
        assert f"row 4 has {count} cells, but the header has 3" in refusal(file)
    file.write_text("AccNum;GT_report;Pred_report\na;Enlarged, with a nodule.;Enlarged.\n")
    assert "is separated by ';'; expected cells separated by commas" in refusal(file)


def test_the_csv_of_a_public_bug_report_is_refused_and_its_quoted_form_is_read(shared: Path):
    folder = shared / "data/inputs/20-csv-shape"
    assert "row 2 has 4 cells" in refusal(folder / "unquoted_comma.csv")
    assert read(folder / "quoted.csv").pairs[0].reference.endswith("a nodule in the right upper lobe.")
    assert "separated by ';'" in refusal(folder / "semicolon.csv")


def test_references_may_name_regions_by_their_common_spellings(tmp_path: Path):
    header = ("Volumename", "Anatomy", "Sentence")
    rows = [("c", "Lungs", "Clear."), ("c", "Trachea and bronchi", "Open."), ("c", "spleen", "Large.")]
    references, _, notes = read_references(write_rows(tmp_path / "r.csv", rows, header))
    assert references == {"c": {"lung": "Clear.", "trachea and bronchie": "Open."}}
    assert notes == ["1 reference rows name an unknown region and were ignored: spleen (1)."]


def test_cells_written_by_pandas_may_be_long_and_contain_line_breaks(tmp_path: Path):
    long = "Clear. " * 40_000
    assert read(write_pairs(tmp_path / "a.csv", ["Line\nbreak."], [long])).pairs[0].prediction == long.strip()
