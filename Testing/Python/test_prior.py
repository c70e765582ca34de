"""Comparison with a prior CT: registration, matched lesions, what counts as a change, and its sentences."""

from __future__ import annotations

import dataclasses
import json
import shutil

import numpy as np
import pytest
import SimpleITK as sitk
from command_line import error_line
from dicom_files import write_series
from pydicom.dataset import Dataset
from reports_under_review import REVIEWER, reviewed_report, signed_report, stored_report
from scipy.ndimage import gaussian_filter
from tiny_chest import tiny_chest

from reg2rg.errors import InputError
from reg2rg.labeler import Status
from reg2rg.measurements import Evidence
from reg2rg.measurements.reviewing import finding_key
from reg2rg.phantom.body import Canvas
from reg2rg.pipeline.request import ReportRequest
from reg2rg.pipeline.run import run_report
from reg2rg.prior import ComparedScan, acquisition_date, compare, described_scan
from reg2rg.prior.compare import NOTHING_COMPARED, PATIENT_NOT_CHECKED
from reg2rg.prior.cutoffs import (
    MEASURE_CUTOFFS,
    diameter_change,
    doubling_days,
    measure_change,
    volume_change,
)
from reg2rg.prior.lesions import Lesion, find_lesion
from reg2rg.prior.registration import Registration, _refine
from reg2rg.prior.surroundings import shift_between
from reg2rg.report import (
    PRIOR_TRANSFORM_FILE,
    ChangeKind,
    Finding,
    Geometry,
    IntervalChange,
    Location,
    MeasurementDecision,
    PriorComparison,
    Section,
    content_text,
    load_report,
    parse_report,
    report_content,
    sign,
)
from reg2rg.report.prior import days_earlier
from reg2rg.report.review_changes import begin_review, with_decision, with_drafted_impression, with_section
from reg2rg.runtime.dataclass_io import to_plain
from reg2rg.segmentation import RegionMasks
from reg2rg.volumes import read_volume
from reg2rg.volumes.dicom_series import Series
from reg2rg.volumes.geometry import image_like

SHIFT = np.array([25.0, -15.0, 30.0])
"""How far the prior scan is shifted against the current one, x, y, z in mm."""

Nodules = dict[tuple[float, float, float], float]
"""Center (x, y, z; LPS) -> diameter, in mm."""

GROWN, SAME, NEW, GONE, BELOW = (
    (-60.0, -20.0, 30.0),
    (60.0, 0.0, 30.0),
    (60.0, 30.0, -20.0),
    (-60.0, 30.0, -15.0),
    (-60.0, 0.0, -75.0),
)


def scan(nodules: Nodules, *, shifted: bool = False, patient: int = 0) -> ComparedScan:
    """Return a scan of two ellipsoidal lungs with a texture that differs between patients, and located nodules."""
    canvas = Canvas((92, 66, 72), (3.0, 3.0, 3.0), (-136.5, -97.5, -106.5))
    lungs = [canvas.ellipsoid((x, 0, 0), (45, 65, 95)) for x in (-60, 60)]
    texture = gaussian_filter(np.random.default_rng((0, patient)).standard_normal(canvas.shape), 1.5)
    canvas.paint(canvas.ellipsoid((0, 0, 0), (130, 92, 1000)), 40.0)
    for lung in lungs:
        canvas.paint(lung, -850 + 60 / texture.std() * texture[lung.box])
    for center, diameter in nodules.items():
        canvas.paint(canvas.ellipsoid(center, diameter / 2), 40.0)
    mask, origin, offset = canvas.mask(*lungs), np.array(canvas.origin), np.zeros(3)
    hu = canvas.hu + np.random.default_rng(1 + shifted).normal(0, 10, canvas.shape)
    if shifted:  # without the lowest slices
        hu, mask, offset = hu[15:], mask[15:], SHIFT
        origin = origin + SHIFT + (0, 0, 15 * 3.0)
    volume = sitk.GetImageFromArray(hu.astype(np.int16))
    volume.SetSpacing(canvas.spacing)
    volume.SetOrigin(origin.tolist())
    masks = RegionMasks.from_arrays({"lung": mask}, volume, segmenter="test")
    places = [tuple(((np.array(center) + offset) * (-1, -1, 1)).tolist()) for center in nodules]
    findings = [Finding("Lung nodule", 0.9, location=Location(place, (12, 12, 12), None, True)) for place in places]
    return ComparedScan(masks, volume, {"lung": findings}, None)


@pytest.fixture(scope="module")
def comparison() -> PriorComparison:
    current = scan({GROWN: 12.0, SAME: 12.0, NEW: 11.0, BELOW: 11.0})
    return compare(current, scan({GROWN: 9.5, SAME: 12.0, GONE: 11.0}, shifted=True), 100).comparison


def change_of(comparison: PriorComparison, center: tuple[float, float, float]) -> IntervalChange:
    here, there = (np.array(center) + offset for offset in (0, SHIFT))
    for change in comparison.changes:
        for point, place in ((change.point_ras, here), (change.prior_point_ras, there)):
            if point is not None and np.linalg.norm(np.multiply(point, (-1, -1, 1)) - place) < 6:
                return change
    raise AssertionError(comparison)


def test_the_registration_finds_the_other_pose(comparison):
    assert comparison.lung_dice > 0.93 and comparison.detail > 0.5 and not comparison.warnings


def test_a_grown_nodule_is_larger_and_has_a_doubling_time(comparison):
    change = change_of(comparison, GROWN)
    assert change.kind is ChangeKind.LARGER
    assert change.value / change.prior_value == pytest.approx((12 / 9.5) ** 3, rel=0.2)
    assert change.doubling_days == pytest.approx(100 * np.log(2) / np.log(change.value / change.prior_value), rel=0.01)
    assert change.text.startswith("Compared with the prior CT 100 days earlier, the lung nodule is larger (")
    assert "volume doubling time" in change.text


def test_an_equal_nodule_is_stable(comparison):
    assert change_of(comparison, SAME).kind is ChangeKind.STABLE


def test_a_nodule_that_only_one_of_the_scans_shows_is_new_or_resolved(comparison):
    assert change_of(comparison, NEW).kind is ChangeKind.NEW
    gone = change_of(comparison, GONE)
    assert gone.kind is ChangeKind.RESOLVED and gone.text.endswith(" mm³).") and "no longer seen" in gone.text


def test_a_nodule_outside_the_prior_field_of_view_is_not_comparable(comparison):
    change = change_of(comparison, BELOW)
    assert change.kind is ChangeKind.NOT_COMPARABLE and "outside the prior field of view" in change.text


@pytest.mark.slow
def test_the_benchmark_tells_a_moved_copy_from_another_patient(repository, monkeypatch, tmp_path, capsys):
    monkeypatch.syspath_prepend(repository / "Testing" / "Benchmarks")
    import prior_real

    monkeypatch.setattr(prior_real, "SPACING", (3.0, 3.0, 3.5))
    nodule = scan({SAME: 14.0})
    readers = sitk.BinaryThreshold(nodule.volume, 20, 1000, 2, 0) * sitk.Cast(nodule.masks.bits > 0, sitk.sitkUInt8)
    (tmp_path / "labels").mkdir()
    sitk.WriteImage(readers, str(tmp_path / "labels/01_nodules_nreaders.nii.gz"))
    sitk.WriteImage(nodule.volume, str(tmp_path / "01.nii.gz"))
    sitk.WriteImage(scan({SAME: 14.0}, patient=1).volume, str(tmp_path / "02.nii.gz"))
    assert prior_real.main(tmp_path) == 0
    moved, other = capsys.readouterr().out.split("another patient: ")
    assert "the lung nodule is unchanged" in moved and "differ too much" in other


def test_the_same_two_cts_are_registered_in_the_same_way():
    fixed, moving = (sitk.Cast(scan({}, shifted=shifted).volume, sitk.sitkFloat32) for shifted in (False, True))
    everywhere = sitk.Cast(fixed > -2000, sitk.sitkUInt8)
    poses = []
    for _ in range(2):
        poses.append(sitk.TranslationTransform(3, (SHIFT + 5).tolist()))
        _refine(fixed, moving, everywhere, poses[-1], 2.0)
    assert poses[0].GetOffset() == poses[1].GetOffset() != tuple(SHIFT + 5)


@pytest.mark.parametrize(("dice", "detail"), [(0.8, 0.5), (0.97, 0.03)], ids=["no overlap", "another patient"])
def test_a_registration_that_failed_says_why(dice, detail):
    identity = sitk.Transform(3, sitk.sitkIdentity)
    assert Registration(identity, dice, detail).failure.startswith("the lungs ")
    assert Registration(identity, 0.97, 0.5).failure is None


def test_the_warning_names_the_ct_that_is_unlike_the_training_data():
    current, prior = (dataclasses.replace(scan({SAME: 12.0}), findings=found) for found in ({}, None))
    (warning,) = compare(current, prior, None).comparison.warnings
    assert warning.endswith(", because the prior CT is unlike the model's training data.")


def test_a_comparison_without_any_change_says_that_nothing_could_be_compared():
    nothing = dataclasses.replace(scan({SAME: 12.0}), findings={})
    assert compare(nothing, nothing, None).comparison.warnings == (NOTHING_COMPARED,)


def test_a_prior_ct_that_is_later_is_refused():
    current = scan({})
    compared = compare(current, current, -3)
    assert compared.comparison.warnings == ("The prior CT was not compared: it was acquired after this CT.",)
    assert compared.transform is None


def test_a_vessel_is_not_a_lesion():
    array = np.full((60, 60, 60), -850, np.int16)
    array[:, 28:33, 28:33] = 40
    image = sitk.GetImageFromArray(array)
    lungs = image_like(np.ones(array.shape, np.uint8), image)
    assert find_lesion(image, lungs, np.array([30.0, 30.0, 30.0]), 8.0) is None


def lesion_at_a_vessel(nodule_mm: float, vessel_mm: float) -> Lesion | None:
    """Return the lesion that is found in a nodule pierced by a vessel; diameters in mm."""
    canvas = Canvas((70, 70, 70), (1.0, 1.0, 1.0), (-34.5, -34.5, -34.5))
    canvas.paint(canvas.ellipsoid((0, 0, 0), (100, 100, 100)), -850.0)
    canvas.paint(canvas.ellipsoid((0, 0, 0), (vessel_mm / 2, vessel_mm / 2, 1000)), 40.0)
    canvas.paint(canvas.ellipsoid((0, 0, 0), nodule_mm / 2), 40.0)
    image = canvas.image(gaussian_filter(canvas.hu, 0.7))
    return find_lesion(image, image_like(np.ones(canvas.shape, np.uint8), image), np.zeros(3), 8.0)


def test_a_nodule_is_told_from_a_vessel_that_pierces_it():
    lesion = lesion_at_a_vessel(8.0, 5.0)
    assert np.linalg.norm(lesion.center) < 1.5
    assert lesion.volume_mm3(40.0) == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.35)


def lesions_in_a_tilted_volume() -> tuple[sitk.Image, sitk.Image, list[np.ndarray]]:
    """Return a volume of lung whose axes are tilted, a mask of it, and the centers (x, y, z; LPS) of its lesions.

    One lesion is lobulated, one is pierced by a vessel, and one is small.
    """
    canvas = Canvas((100, 80, 60), (0.8, 0.8, 1.5), (-39.6, -31.6, -44.25))
    texture = gaussian_filter(np.random.default_rng(0).standard_normal(canvas.shape), 1.0)
    canvas.hu[:] = -850 + 60 / texture.std() * texture
    centers = [(-18.0, -8.0, 20.0), (15.0, 10.0, 15.0), (0.0, 0.0, -20.0)]
    for lobe, radius in (((0, 0, 0), 8.0), ((5, 5, 3), 6.0), ((-4, 5, -5), 5.0)):
        canvas.paint(canvas.ellipsoid(np.add(centers[0], lobe), radius), 40.0)
    canvas.paint(canvas.ellipsoid(centers[1], 6.0), 40.0)
    canvas.paint(canvas.ellipsoid(centers[1], (2.0, 2.0, 1000.0)), 40.0)
    canvas.paint(canvas.ellipsoid(centers[2], (3.0, 4.0, 3.5)), 40.0)
    volume = canvas.image(gaussian_filter(canvas.hu, 0.6))
    tilt = sitk.Euler3DTransform((0, 0, 0), 0.3, -0.2, 0.4)
    volume.SetDirection(tilt.GetMatrix())
    volume.SetOrigin(tilt.TransformPoint(volume.GetOrigin()))
    lungs = image_like(np.ones(canvas.shape, np.uint8), volume)
    return volume, lungs, [np.array(tilt.TransformPoint(center)) for center in centers]


def test_a_lesion_is_the_same_from_wherever_it_was_searched():
    volume, lungs, centers = lesions_in_a_tilted_volume()
    rng = np.random.default_rng(0)
    for center in centers:
        lesions = [
            find_lesion(volume, lungs, center + rng.uniform(-1, 1, 3) * tolerance / 3, tolerance)
            for tolerance in (8.0, 8.0, 12.0)
        ]
        assert len({(*each.center, each.excess, each.lung_hu, each.core_hu) for each in lesions}) == 1, center


def test_a_scan_compared_with_itself_is_unchanged():
    current = scan({GROWN: 12.0, SAME: 9.0})
    prior = scan({tuple(np.array(center) + (2.3, -1.7, 1.2)): 9.0 for center in (GROWN, SAME)})
    compared = compare(current, dataclasses.replace(current, findings=prior.findings), None).comparison
    assert [change.kind for change in compared.changes] == [ChangeKind.STABLE] * 2
    assert all(change.value == change.prior_value and "; 0%)" in change.text for change in compared.changes)


@pytest.mark.slow
def test_a_real_scan_compared_with_itself_is_unchanged(shared, repository, monkeypatch):
    monkeypatch.syspath_prepend(repository / "Testing" / "Benchmarks")
    import prior_real

    readers = sitk.ReadImage(str(shared / "data/real/labels/01_nodules_nreaders.nii.gz"))
    (place,) = prior_real.nodule_places(readers)
    current = prior_real.scan(read_volume(shared / "data/real/01.nii.gz"), [place])
    found = Finding("Lung nodule", 0.9, location=Location(tuple(place * (-1, -1, 1) + 2), (12, 12, 12), None, True))
    (change,) = compare(current, dataclasses.replace(current, findings={"lung": [found]}), None).comparison.changes
    assert change.kind is ChangeKind.STABLE and change.value == change.prior_value


def test_the_surroundings_of_a_place_correct_the_registration():
    off = sitk.TranslationTransform(3, (SHIFT + (3.0, -2.0, 4.0)).tolist())
    current, prior = scan({SAME: 12.0}), scan({SAME: 9.0}, shifted=True)
    shift = shift_between(current.volume, prior.volume, off, np.array(SAME), 9.0)
    assert shift == pytest.approx((-3.0, 2.0, -4.0), abs=1.0)
    stranger = scan({SAME: 12.0}, patient=1)
    assert (
        shift_between(current.volume, stranger.volume, sitk.Transform(3, sitk.sitkIdentity), np.array(SAME), 9.0)
        is None
    )


def test_another_structure_beside_the_place_of_a_new_nodule_is_not_its_past():
    beside = tuple(np.array(NEW) + (6.0, 0.0, 0.0))
    prior = scan({beside: 9.5}, shifted=True)
    compared = compare(scan({NEW: 11.0}), dataclasses.replace(prior, findings={}), None).comparison
    assert change_of(compared, NEW).kind is ChangeKind.NEW


@pytest.mark.parametrize(
    ("volume", "kind"), [(125, ChangeKind.LARGER), (124, ChangeKind.STABLE), (75, ChangeKind.SMALLER)]
)
def test_a_quarter_of_the_volume_is_a_change(volume, kind):
    assert volume_change(volume, 100) is kind


def test_two_millimeters_of_the_diameter_are_a_change():
    assert [diameter_change(mm, 8) for mm in (10, 9.9, 6)] == [
        ChangeKind.LARGER,
        ChangeKind.STABLE,
        ChangeKind.SMALLER,
    ]


def test_an_effusion_can_be_new_and_resolve():
    cutoff = MEASURE_CUTOFFS["effusion_volume"]
    kinds = [measure_change(cutoff, now, before) for now, before in ((200, 0), (0, 200), (300, 200), (230, 200))]
    assert kinds == [ChangeKind.NEW, ChangeKind.RESOLVED, ChangeKind.LARGER, ChangeKind.STABLE]


def test_a_doubled_volume_doubles_in_the_interval():
    assert doubling_days(200, 100, 90) == 90
    assert doubling_days(200, 100, None) is None and doubling_days(90, 100, 90) is None


def test_the_date_of_a_series_is_read_from_whichever_tag_has_it():
    header = Dataset()
    header.AcquisitionDate, header.StudyDate = "", "20240131"
    assert str(acquisition_date(Series(header, []))) == "2024-01-31"
    assert acquisition_date(Series(Dataset(), [])) is None and acquisition_date(None) is None


NODULE_CHANGE = IntervalChange(
    region="lung",
    kind=ChangeKind.LARGER,
    text="Compared with the prior CT, the lung nodule is larger (200 mm³, previously 100 mm³; +100%).",
    finding="Lung nodule",
    measurement="finding_diameter/lung/lung nodule",
    value=200.0,
    prior_value=100.0,
    unit="mm³",
    doubling_days=None,
    point_ras=(1.0, 2.0, 3.0),
    prior_point_ras=(1.0, 2.0, 3.0),
    cutoff="25%",
)
WARNING = "The prior CT was not compared: the lungs were not found in both CTs."


@pytest.fixture(scope="module")
def report():
    prior = PriorComparison("ct", 90, 0.97, 0.6, (WARNING,), (NODULE_CHANGE,))
    return dataclasses.replace(stored_report(), prior=prior)


def test_changes_are_stored_and_shown_as_measured_sentences_that_point_to_the_finding(report):
    assert parse_report(report.to_json()) == report
    lung = next(section for section in report_content(report).sections if section.region == "lung")
    sentence = next(sentence for sentence in lung.sentences if sentence.text == NODULE_CHANGE.text)
    assert sentence.measured and sentence.targets[0].finding.label == "Lung nodule"
    assert sentence.targets[1].measurement.key == NODULE_CHANGE.measurement
    assert NODULE_CHANGE.text in " ".join(report.to_text().split())


def test_a_draft_warns_of_a_refused_comparison_and_a_signed_report_does_not(report):
    assert WARNING in report.warnings and f"[{WARNING}]" in report.to_text()
    assert WARNING not in content_text(report_content(signed_report(report)))


def test_the_technique_says_what_was_compared(report):
    compared = dataclasses.replace(report.prior, geometry=report.provenance.geometry)
    technique = report_content(dataclasses.replace(report, prior=compared)).technique
    assert technique[-1] == ("Comparison", "a prior CT, 90 days earlier")
    assert "Comparison" not in dict(report_content(report).technique), "this comparison was refused"


def test_a_draft_that_denies_a_nodule_which_the_comparison_measures_says_so(report):
    denied = dataclasses.replace(
        report.section("lung"), findings=(Finding("Lung nodule", 0.2, text_status=Status.ABSENT),), sentences=()
    )
    report = dataclasses.replace(report, sections=(denied, *(s for s in report.sections if s.region != "lung")))
    warning = "The text denies lung nodule; the comparison with the prior CT measures one."
    lung = next(section for section in report_content(report).sections if section.region == "lung")
    assert warning in lung.warnings
    gone = dataclasses.replace(report.prior, changes=(RESOLVED_CHANGE,))
    lung = next(s for s in report_content(dataclasses.replace(report, prior=gone)).sections if s.region == "lung")
    assert warning not in lung.warnings, "the text and the comparison agree that there is none"


def test_only_what_changed_is_in_the_impression(report):
    assert NODULE_CHANGE.text in report_content(report).impression
    assert NODULE_CHANGE.text in begin_review(report).review.impression
    stable = dataclasses.replace(NODULE_CHANGE, kind=ChangeKind.STABLE)
    unchanged = dataclasses.replace(report, prior=dataclasses.replace(report.prior, changes=(stable,)))
    assert NODULE_CHANGE.text not in report_content(unchanged).impression


def marked_absent(section: Section) -> Section:
    findings = (dataclasses.replace(f, correction=False) if f.label == "Lung nodule" else f for f in section.findings)
    return dataclasses.replace(section, findings=tuple(findings))


@pytest.mark.parametrize(
    "decide",
    [
        lambda report: with_decision(report, NODULE_CHANGE.measurement, MeasurementDecision(removed=True)),
        lambda report: with_section(report, marked_absent(report.section("lung"))),
        lambda report: with_decision(report, NODULE_CHANGE.key, MeasurementDecision(removed=True)),
    ],
    ids=["measurement removed", "finding absent", "change removed"],
)
def test_a_change_is_dropped_by_itself_or_with_its_measurement_or_finding(report, decide):
    decided = with_drafted_impression(decide(begin_review(report)))
    assert NODULE_CHANGE.text not in " ".join(content_text(report_content(decided)).split())


RESOLVED_CHANGE = dataclasses.replace(
    NODULE_CHANGE,
    kind=ChangeKind.RESOLVED,
    value=None,
    text="Compared with the prior CT, the lung nodule is no longer seen (previously 90 mm³).",
    measurement=None,
    point_ras=None,
)


def kept_changes(report, lung: str | None) -> list[ChangeKind]:
    """Return the changes in a signed report whose reviewer gave the lung this text, or rejected it if None."""
    prior = dataclasses.replace(report.prior, changes=(NODULE_CHANGE, RESOLVED_CHANGE))
    reviewed = with_drafted_impression(reviewed_report(dataclasses.replace(report, prior=prior), lung=lung))
    content = report_content(sign(reviewed, REVIEWER))
    text = " ".join(content_text(content).split())
    kept = [change for change in prior.changes if change.text in text]
    assert all(change.text in content.impression for change in kept)
    return [change.kind for change in kept]


def test_the_change_of_a_nodule_leaves_the_signed_report_with_the_nodule(report):
    written = report.section("lung").text
    assert "nodule" in written
    both = [ChangeKind.LARGER, ChangeKind.RESOLVED]
    assert kept_changes(report, written) == kept_changes(report, written + " The fissures are thin.") == both
    for without in ("The lungs are clear.", "There is no nodule in the lungs."):
        assert kept_changes(report, without) == [ChangeKind.RESOLVED], "what is gone need not be in the text"
    assert kept_changes(report, None) == []


def test_a_wrong_sentence_about_a_resolved_nodule_can_be_removed_alone(report):
    prior = dataclasses.replace(report.prior, changes=(NODULE_CHANGE, RESOLVED_CHANGE))
    reviewed = begin_review(dataclasses.replace(report, prior=prior))
    removed = with_decision(reviewed, RESOLVED_CHANGE.key, MeasurementDecision(removed=True))
    signed = parse_report(signed_report(with_drafted_impression(removed)).to_json())
    text = " ".join(content_text(report_content(signed)).split())
    assert NODULE_CHANGE.text in text and RESOLVED_CHANGE.text not in text
    assert signed.prior == prior, "the record keeps what was compared"


def test_a_nodule_that_no_text_mentions_keeps_its_change_when_something_else_is_edited(report):
    silent = dataclasses.replace(report.section("lung"), text="The lungs are clear.", sentences=())
    findings = tuple(dataclasses.replace(finding, text_status=None) for finding in silent.findings)
    silent = dataclasses.replace(silent, findings=findings)
    report = dataclasses.replace(report, sections=(silent, *(s for s in report.sections if s.region != "lung")))
    assert ChangeKind.LARGER in kept_changes(report, "The fissures are thin.")


def test_a_prior_report_counts_as_its_reviewer_left_it(report):
    for text, stated in ((report.section("lung").text, True), ("The lungs are clear.", False)):
        prior = signed_report(report, lung=text)
        vars(prior)["masks"] = None  # instead of those in its folder
        labels = [finding.label for finding in described_scan(prior).findings["lung"] if finding.location is not None]
        assert ("Lung nodule" in labels) == stated


def test_an_unknown_region_in_a_comparison_is_refused(report):
    change = dataclasses.replace(NODULE_CHANGE, region="knee")
    knee = to_plain(dataclasses.replace(report.prior, changes=(change,)))
    with pytest.raises(InputError, match="knee"):
        parse_report(json.dumps({**json.loads(report.to_json()), "prior": knee}))


def test_a_report_without_a_valid_transform_says_so(report, tmp_path):
    report = dataclasses.replace(report, folder=tmp_path)
    with pytest.raises(InputError, match="not compared with a prior CT"):
        report.prior_transform  # noqa: B018
    (tmp_path / PRIOR_TRANSFORM_FILE).write_text("#Insight Transform File V1.0\nTransform: ")
    with pytest.raises(InputError, match="not a transform"):
        report.prior_transform  # noqa: B018


def test_a_prior_report_is_not_overwritten(tmp_path):
    (tmp_path / "before").mkdir()
    prior = tmp_path / "before" / ".." / "before"
    with pytest.raises(InputError, match="is the prior and would be overwritten"):
        run_report(
            ReportRequest(volume=tmp_path / "a.nrrd", output=tmp_path / "before", prior=prior), lambda event: None
        )


def test_an_interval_needs_a_prior_ct_that_exists(tmp_path):
    fields = {"volume": tmp_path / "a.nrrd", "output": tmp_path / "out"}
    with pytest.raises(InputError, match="--prior"):
        ReportRequest(**fields, interval_days=90)
    with pytest.raises(InputError, match="none does not exist"):
        run_report(ReportRequest(**fields, prior=tmp_path / "none"), lambda event: None)


@pytest.fixture
def report_command(phantom_files, tiny_model_folder):
    """Return the beginning of the command that reports on a phantom."""
    ct, regions = phantom_files
    return ["report", ct, "--regions", regions, "--model", tiny_model_folder, "--device", "cpu", "--region", "lung"]


@pytest.fixture(scope="module")
def stored_prior(phantom_files, tiny_model_folder, tmp_path_factory):
    """Return the folder of a report on the phantom."""
    ct, regions = phantom_files
    folder = tmp_path_factory.mktemp("prior") / "report"
    request = ReportRequest(
        volume=ct, output=folder, regions_file=regions, model=str(tiny_model_folder), device="cpu", regions=("lung",)
    )
    run_report(request, lambda event: None)
    return folder


def test_the_command_compares_with_a_ct(reg2rg, report_command, phantom_files, tmp_path):
    moved = sitk.ReadImage(str(phantom_files[0]))
    moved.SetOrigin((np.array(moved.GetOrigin()) + SHIFT).tolist())
    sitk.WriteImage(moved, str(tmp_path / "prior.nrrd"))
    finished = reg2rg(
        *report_command, "-o", tmp_path / "now", "--prior", tmp_path / "prior.nrrd", "--interval-days", 90
    )
    assert finished.returncode == 0, finished.stderr
    report = load_report(tmp_path / "now")
    prior = report.prior
    assert (prior.source, prior.interval_days, prior.refused) == ("ct", 90, False)
    assert prior.lung_dice > 0.9 and prior.detail > 0.5
    assert prior.geometry == Geometry.from_image(moved)
    center = moved.TransformContinuousIndexToPhysicalPoint([size / 2 for size in moved.GetSize()])
    assert report.prior_transform.TransformPoint((center - SHIFT).tolist()) == pytest.approx(center, abs=2.0)


@pytest.mark.slow
def test_the_command_compares_with_a_report(reg2rg, report_command, tmp_path):
    moved = sitk.ReadImage(str(report_command[1]))
    moved.SetOrigin((np.array(moved.GetOrigin()) + SHIFT).tolist())
    sitk.WriteImage(moved, str(tmp_path / "moved.nrrd"))
    before = [report_command[0], tmp_path / "moved.nrrd", *report_command[4:]]
    assert reg2rg(*before, "-o", tmp_path / "before").returncode == 0
    finished = reg2rg(*report_command, "-o", tmp_path / "now", "--prior", tmp_path / "before")
    assert finished.returncode == 0, finished.stderr
    prior = load_report(tmp_path / "now").prior
    assert (prior.source, prior.interval_days, prior.refused) == ("report", None, False)
    assert prior.lung_dice > 0.95 and prior.detail is None


@pytest.mark.parametrize("source", ["volume", "report", "turned"])
def test_the_ct_itself_is_no_prior(reg2rg, report_command, phantom_files, stored_prior, tmp_path, source):
    ct = phantom_files[0]
    if source == "turned":
        sitk.WriteImage(sitk.DICOMOrient(sitk.ReadImage(str(ct)), "SAR"), str(tmp_path / "turned.nii.gz"))
    path = {"volume": ct, "report": stored_prior, "turned": tmp_path / "turned.nii.gz"}[source]
    finished = reg2rg(*report_command, "-o", tmp_path / "now", "--prior", path)
    assert f"{path} is the CT itself, or its report" in error_line(finished, 2)


@pytest.mark.parametrize("damage", ["report.json", "regions.seg.nrrd"])
def test_a_prior_report_that_cannot_be_read_is_named_before_the_model_runs(
    reg2rg, report_command, stored_prior, tmp_path, damage
):
    shutil.copytree(stored_prior, tmp_path / "before")
    (tmp_path / "before" / damage).write_bytes(b"NRRD0004\n")
    finished = reg2rg(*report_command, "-o", tmp_path / "now", "--prior", tmp_path / "before")
    assert str(tmp_path / "before") in finished.stderr.splitlines()[-1] and finished.returncode == 2
    assert "Finding the regions" not in finished.stderr and not (tmp_path / "now").exists()


def test_the_notice_about_several_prior_series_does_not_name_an_option_for_the_current_ct(
    reg2rg, report_command, tmp_path
):
    for number, size in ((1, 0), (2, 2)):
        write_series(tmp_path / "prior" / str(number), tiny_chest(number)[:, :, size:], number=number)
    finished = reg2rg(*report_command, "-o", tmp_path / "now", "--prior", tmp_path / "prior")
    (notice,) = [line for line in finished.stderr.splitlines() if "the CT with the most slices" in line]
    assert notice.endswith("to compare with another, give a folder that contains only that one.")
    assert "--series" not in notice


# One place, one sentence


def kinds_and_texts(current: ComparedScan, prior: ComparedScan) -> list[tuple[ChangeKind, str]]:
    return [(change.kind, change.text) for change in compare(current, prior, 100).comparison.changes]


def ground_glass(current: ComparedScan) -> ComparedScan:
    """Return a scan whose nodules are ground glass, which has no clear edge."""
    volume = image_like(sitk.GetArrayFromImage(current.volume), current.volume)
    hu, lungs = sitk.GetArrayFromImage(volume), sitk.GetArrayViewFromImage(current.lungs) > 0
    hu[lungs & (hu > -500)] = -550
    return dataclasses.replace(current, volume=image_like(hu, volume))


def test_a_stated_nodule_that_grew_more_than_sixteenfold_is_larger_and_not_new_and_resolved():
    ((kind, text),) = kinds_and_texts(scan({SAME: 16.0}), scan({SAME: 6.0}, shifted=True))
    assert kind is ChangeKind.LARGER and "previously 9" in text


def test_a_nodule_that_lost_its_edge_is_not_resolved_as_well():
    faint = ground_glass(scan({SAME: 12.0}))
    ((kind, text),) = kinds_and_texts(faint, scan({SAME: 12.0}, shifted=True))
    assert kind is ChangeKind.NOT_COMPARABLE and "it has no clear edge" in text


def test_a_nodule_that_had_no_edge_is_not_new():
    faint = ground_glass(scan({SAME: 12.0}))
    ((kind, text),) = kinds_and_texts(scan({SAME: 12.0}), faint)
    assert kind is ChangeKind.NOT_COMPARABLE and "it had no clear edge" in text


def test_a_draft_of_regions_in_which_nothing_could_be_compared_says_so():
    current = scan({SAME: 12.0})
    compared = compare(current, scan({SAME: 12.0}, shifted=True), None, ["heart"]).comparison
    assert compared.changes == () and compared.warnings == (NOTHING_COMPARED,)


def test_a_comparison_with_a_report_warns_that_the_patient_was_not_checked():
    current = scan({SAME: 12.0})
    compared = compare(current, dataclasses.replace(scan({}, patient=1), volume=None), None).comparison
    assert compared.warnings[0] == PATIENT_NOT_CHECKED and not compared.refused


def measured(key: str, value: float, **fields: str) -> Evidence:
    """Return evidence that consists of one measurement without reservations."""
    measure, region, part = key.split("/")
    evidence = stored_report().evidence
    row = dataclasses.replace(
        evidence.measurements[0],
        measure=measure,
        region=region,
        part=part,
        value=value,
        conditions=(),
        lines=(),
        **fields,
    )
    return dataclasses.replace(evidence, measurements=(row,))


def test_a_nodule_of_a_prior_report_may_have_become_a_mass():
    current, prior = scan({SAME: 35.0}), dataclasses.replace(scan({SAME: 20.0}), volume=None)
    (nodule,) = current.findings["lung"]
    mass = dataclasses.replace(nodule, label="Mass")
    current = dataclasses.replace(
        current, findings={"lung": [mass]}, evidence=measured(finding_key("lung", "Mass"), 35.0)
    )
    prior = dataclasses.replace(prior, evidence=measured(finding_key("lung", "Lung nodule"), 20.0))
    ((kind, text),) = kinds_and_texts(current, prior)
    assert kind is ChangeKind.LARGER and "the mass is larger (35 mm, previously 20 mm)" in text


def test_a_difference_below_the_cutoff_is_said_to_be_one():
    before, now = (
        dataclasses.replace(
            scan({}), evidence=measured("effusion_volume/pleura/left side", value, label="Pleural fluid")
        )
        for value in (40.0, 0.0)
    )
    ((kind, text),) = kinds_and_texts(now, before)
    assert kind is ChangeKind.STABLE
    assert text.endswith("is unchanged (0 mL, previously 40 mL; differs by less than 50 mL or 25%).")


def test_an_interval_is_worded_and_limited(tmp_path):
    assert [days_earlier(days) for days in (0, 1, 2)] == ["on the same day", "1 day earlier", "2 days earlier"]
    for days in (-1, 10**400):
        with pytest.raises(InputError, match="expected 0 to 36525"):
            ReportRequest(volume=tmp_path / "a", output=tmp_path / "b", prior=tmp_path, interval_days=days)
