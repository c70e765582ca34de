"""The public Python API, used as a script or a notebook uses it."""

from __future__ import annotations

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

import reg2rg
from reg2rg import DRAFT_LABEL
from reg2rg.errors import Cancelled, InputError

CT, REGIONS = reg2rg.sample_case()


@pytest.fixture(scope="module")
def report() -> reg2rg.Report:
    return reg2rg.generate_report(CT, regions_file=REGIONS, progress=False)


def test_import_reg2rg_imports_nothing_heavy():
    heavy = {"torch", "SimpleITK", "transformers", "numpy", "scipy", "pydicom"}
    program = f"import sys, reg2rg; print(*({heavy!r} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "\n"


def test_every_public_name_can_be_used_and_is_documented():
    assert set(reg2rg.__all__) <= set(dir(reg2rg))
    for name in reg2rg.__all__:
        value = getattr(reg2rg, name)
        assert isinstance(value, str) or value.__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'reports'"):
        reg2rg.reports  # noqa: B018


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "examples"),
    [
        ("reg2rg", 4),
        ("reg2rg.api", 4),
        ("reg2rg.report.report", 4),
        ("reg2rg.report.serialization", 4),
        ("reg2rg.runtime.resources", 3),
        ("reg2rg.labeler.rules", 1),
        ("reg2rg.labeler.sentences", 2),
    ],
)
def test_the_examples_in_the_documentation_run(module: str, examples: int):
    result = doctest.testmod(importlib.import_module(module))
    assert result.failed == 0 and result.attempted >= examples


def test_a_report_has_sections_findings_text_and_masks(report):
    assert [section.region for section in report.sections][:2] == ["lung", "trachea and bronchie"]
    assert "Lung nodule" in [finding.label for finding in report.findings["lung"]]
    assert report.to_text().startswith(DRAFT_LABEL)
    image = sitk.ReadImage(str(CT))
    assert report.masks.array("heart").shape == image.GetSize()[::-1]
    assert "heart" in report.masks.present


def test_the_mask_of_a_finding_is_where_the_finding_is(report):
    finding = next(each for each in report.section("lung").findings if each.label == "Lung nodule")
    mask = report.finding_mask("lung", "Lung nodule")
    right, anterior, superior = finding.location.point_ras
    x, y, z = report.masks.bits.TransformPhysicalPointToIndex((-right, -anterior, superior))
    assert mask[z, y, x] and not (mask & ~report.masks.array("lung")).any()
    with pytest.raises(InputError, match="has no outline in the heart"):
        report.finding_mask("heart", "Cardiomegaly")


def test_a_notebook_shows_the_sections_beside_the_preview(report):
    html = report._repr_html_()
    assert html.count("<div") == html.count("</div") and "data:image/png;base64," in html
    assert DRAFT_LABEL in html and "Lungs" in html and "<script" not in html
    assert re.search(r"Lung nodule, [^<]*likely \(\d+%\)", html)


def test_text_from_the_model_cannot_become_html(report):
    import dataclasses

    section = dataclasses.replace(report.sections[0], text="<b>bold</b>", recognized="<i>")
    html = dataclasses.replace(report, sections=(section,))._repr_html_()
    assert "&lt;b&gt;bold&lt;/b&gt;" in html and "&lt;i&gt;" in html


def test_a_saved_report_can_be_loaded(tmp_path: Path):
    written = reg2rg.generate_report(
        str(CT), str(tmp_path / "out"), regions_file=str(REGIONS), regions=["heart"], progress=False
    )
    assert reg2rg.load_report(str(tmp_path / "out")) == written
    assert written.folder == tmp_path / "out" and [section.region for section in written.sections] == ["heart"]
    with pytest.raises(InputError, match="is not a report folder: it contains no report.json"):
        reg2rg.load_report(tmp_path)


def test_the_temporary_folder_of_a_report_disappears_with_it():
    report = reg2rg.generate_report(CT, regions_file=REGIONS, regions=("heart",), progress=False)
    folder = report.folder
    assert folder.is_dir()
    del report
    assert not folder.exists()


def test_an_image_in_memory_gives_the_same_report_as_its_file(report):
    image = sitk.ReadImage(str(CT))
    again = reg2rg.generate_report(image, regions_file=REGIONS, regions=("heart",), progress=False)
    assert again.section("heart").text == report.section("heart").text


def test_a_correction_changes_the_text_of_its_region(report):
    corrected = reg2rg.generate_report(
        CT,
        regions_file=report.folder / "regions.seg.nrrd",
        regions=("lung",),
        corrections={"lung": {"Lung nodule": False}},
        progress=False,
    )
    finding = next(each for each in corrected.section("lung").findings if each.label == "Lung nodule")
    assert finding.correction is False and not finding.present
    assert corrected.section("lung").text != report.section("lung").text


def test_progress_runs_from_0_to_1_and_can_cancel(tmp_path: Path):
    fractions = []
    reg2rg.segment(CT, regions_file=REGIONS, progress=lambda fraction, message: fractions.append(fraction))
    assert fractions[0] == 0 and fractions == sorted(fractions)
    with pytest.raises(Cancelled):
        reg2rg.generate_report(CT, tmp_path / "out", regions_file=REGIONS, progress=False, should_cancel=lambda: True)
    assert not (tmp_path / "out").exists()


def test_progress_bars_are_shown_when_wanted(capsys):
    reg2rg.segment(CT, regions_file=REGIONS)
    assert "Reading the volume" in capsys.readouterr().out


def test_features_of_the_regions_are_arrays_that_differ():
    features = reg2rg.region_features(CT, regions_file=REGIONS, progress=False)
    lung, heart = features["lung"], features["heart"]
    assert lung.shape == heart.shape and lung.dtype == np.float32 and not np.allclose(lung, heart)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"region": ["lung"]}, "unknown fields: 'region'; expected some of: volume, series"),
        ({"regions": ["knee"]}, "Unknown region 'knee'; expected one of: abdomen"),
        ({"regions": "lung"}, "request.regions is 'lung'; expected a list"),
        ({"corrections": {"lung": {"Nodul": True}}}, "Unknown finding 'Nodul'"),
        ({"max_new_tokens": 0}, "max_new_tokens is 0; expected 1 or more"),
    ],
)
def test_an_invalid_option_is_named(options, message):
    with pytest.raises(InputError, match=message):
        reg2rg.generate_report(CT, progress=False, **options)
