"""Review and sign-off: what the record keeps, when a report can be signed, and that a signed one cannot be changed."""

from __future__ import annotations

import dataclasses
import json

import pytest
from reports_under_review import REVIEWER, STORED, reviewed_report, signed_report, stored_report

from reg2rg.about import DRAFT_LABEL, REVIEWED_LABEL, SIGNED_LABEL
from reg2rg.errors import InputError
from reg2rg.measurements import Line, is_editable, measured_sentence
from reg2rg.report import (
    MeasurementDecision,
    Report,
    ReviewState,
    SectionReview,
    addendum,
    content_text,
    load_report,
    parse_report,
    report_content,
    sign,
)
from reg2rg.report.review_changes import (
    begin_review,
    decided_report,
    logged,
    with_decision,
    with_impression,
    with_new_evidence,
    with_section,
    with_section_review,
    with_statistics,
)

EDITED = "A 9 mm nodule is present in the left lower lobe."


@pytest.fixture(scope="module")
def report() -> Report:
    return stored_report()


@pytest.fixture(scope="module")
def signed(report) -> Report:
    return signed_report(report, lung=EDITED)


def test_a_review_starts_with_drafts_and_with_an_impression_drafted_from_them(report):
    review = begin_review(report).review
    assert {section.state for section in review.sections.values()} == {ReviewState.DRAFT}
    assert review.impression.startswith("Lungs: ") and not review.impression_edited
    assert begin_review(begin_review(report)) == begin_review(report)


def test_a_report_under_review_round_trips_through_json(report):
    under_review = logged(with_impression(reviewed_report(report, lung=EDITED), "One nodule."), "edit", "lung", EDITED)
    assert parse_report(under_review.to_json()) == under_review


def test_a_report_with_half_a_character_can_be_signed_and_written(report, tmp_path):
    signed = signed_report(report, lung="A nodule \ud83e.")
    (tmp_path / "report.json").write_text(signed.to_json(), encoding="utf-8")
    assert load_report(tmp_path) == signed and signed.review.sections["lung"].text == "A nodule \ud83e."
    assert "A nodule \ufffd." in signed.to_text()


def test_a_regenerated_section_replaces_the_old_one_but_the_record_keeps_both(report):
    lung = dataclasses.replace(report.section("lung"), text="Clear.", sentences=(), disagreements=())
    changed = with_section(reviewed_report(report, lung=EDITED), lung)
    assert changed.section("lung").text == "Clear."
    assert changed.review.sections["lung"] == SectionReview(ReviewState.DRAFT, "Clear.")
    (old,) = changed.review.replaced
    assert (old.state, old.text, old.section["text"]) == (ReviewState.EDITED, EDITED, report.section("lung").text)
    assert parse_report(changed.to_json()) == changed


def test_decisions_about_measurements_change_the_report_but_not_what_was_measured(report):
    measured = next(m for m in report.evidence.measurements if is_editable(m))
    line = Line((0.0, 0.0, 0.0), (0.0, 0.0, 33.0))
    moved = with_decision(begin_review(report), measured.key, MeasurementDecision(lines=(line,) * len(measured.lines)))
    removed = with_decision(begin_review(report), measured.key, MeasurementDecision(removed=True))
    assert moved.evidence == removed.evidence == report.evidence
    assert next(m.value for m in decided_report(moved).evidence.measurements if m.key == measured.key) == 33.0
    assert measured.key not in {m.key for m in decided_report(removed).evidence.measurements}


def test_a_reviewed_section_whose_measurements_change_must_be_reviewed_again(report):
    stated = next(m for m in report.evidence.of("lung") if measured_sentence(m) in report.section("lung").measured)
    for texts, state in (({}, ReviewState.DRAFT), ({"lung": EDITED}, ReviewState.DRAFT), ({"lung": None}, "rejected")):
        changed = with_decision(reviewed_report(report, **texts), stated.key, MeasurementDecision(removed=True))
        assert changed.review.sections["lung"].state == state
        assert changed.review.sections["lung"].text == texts.get("lung") or report.section("lung").draft


def test_typing_an_impression_is_one_change(report):
    typed = with_impression(with_impression(begin_review(report), "One"), "One nodule.")
    assert [(change.action, change.text) for change in typed.review.log] == [("impression", "One nodule.")]


@pytest.mark.parametrize("version", [1, 2])
def test_reviews_in_scenes_of_earlier_versions_are_read(version):
    values = json.loads((STORED / "scene_review_2.json").read_text(encoding="utf-8"))
    if version == 1:
        values["version"] = 1
        del values["measurements"]
    report = parse_report(json.dumps(values))
    review = report.review
    assert review.sections["lung"] == SectionReview(ReviewState.EDITED, "There is a nodule in the left lower lobe.")
    assert review.sections["heart"].state is ReviewState.ACCEPTED
    assert (review.impression, review.impression_edited) == ("One nodule.", True)
    assert [change.action for change in review.log][:2] == ["edit", "accepted"]
    assert len(review.replaced) == 1 and review.replaced[0].section["region"] == "lung"
    assert len(review.measurements) == (2 if version == 2 else 0)
    assert parse_report(report.to_json()) == report


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(version=3), "its version is 3; expected 1 or 2"),
        (lambda v: v["sections"].pop("lung"), "do not match those of the report"),
        (lambda v: v["sections"]["lung"].update(state="perfect"), "expected one of: draft, edited"),
        (lambda v: v["sections"]["lung"].update(text=7), "text is 7; expected a string"),
        (lambda v: v.update(impression="fine"), "not a review that can be read"),
        (lambda v: v["log"][0].update(time="yesterday"), "'yesterday'; expected a time in ISO 8601"),
        (lambda v: v["log"][0].update(time="2026-01-01T12:00:00"), "expected a time in ISO 8601 .* with its offset"),
        (lambda v: v["report"]["provenance"].update(created="today"), "'today'; expected a time in ISO 8601"),
    ],
)
def test_a_damaged_review_is_refused_in_one_line(change, message):
    values = json.loads((STORED / "scene_review_2.json").read_text(encoding="utf-8"))
    change(values)
    with pytest.raises(InputError, match=message) as error:
        parse_report(json.dumps(values))
    assert "\n" not in str(error.value)


def test_a_report_nobody_has_reviewed_cannot_be_signed(report):
    with pytest.raises(InputError, match="has not been reviewed"):
        sign(report, REVIEWER)
    with pytest.raises(InputError, match="accept, edit or reject these sections: Lungs, Heart"):
        sign(begin_review(report), REVIEWER)
    partly = with_section_review(begin_review(report), "lung", SectionReview(ReviewState.EDITED, EDITED))
    with pytest.raises(InputError, match="these sections: Heart"):
        sign(partly, REVIEWER)


@pytest.mark.parametrize("name", ["", "  ", "Dr.\nMüller", "x" * 121, "a\x00b", "\u200b", "\u3164", "-", "a\u202eb"])
def test_a_name_that_is_invisible_reordered_or_not_one_line_cannot_sign(report, name):
    with pytest.raises(InputError, match="name is not valid"):
        sign(reviewed_report(report), name)


def test_the_date_behind_a_name_that_is_written_from_right_to_left_stays_in_order(report):
    signature = sign(reviewed_report(report), "د. عمر").review.signature
    assert signature.words == f"د. عمر\u200e, {signature.time_words}"
    assert "د. عمر\u200e, 2" in content_text(report_content(sign(reviewed_report(report), "د. عمر")))
    assert "\u200e" not in sign(reviewed_report(report), "李小龍").review.signature.words


def test_accepted_edited_and_rejected_sections_can_be_signed(report):
    signed = signed_report(report, lung=EDITED, heart=None)
    assert signed.signed and signed.review.signature.reviewer == REVIEWER
    assert parse_report(signed.to_json()) == signed


def test_a_signed_report_keeps_what_the_model_wrote_and_everything_that_was_measured(report, signed):
    assert signed.sections == report.sections and signed.evidence == report.evidence
    assert signed.review.sections["lung"].text == EDITED
    assert [change.action for change in signed.review.log] == ["sign"]


def test_the_label_follows_from_the_review(report, signed):
    labels = [each.disclaimer for each in (report, begin_review(report), reviewed_report(report), signed)]
    assert labels == [DRAFT_LABEL, DRAFT_LABEL, REVIEWED_LABEL, SIGNED_LABEL]
    for each, label in zip((report, begin_review(report), reviewed_report(report), signed), labels, strict=True):
        text = each.to_text()
        assert text.startswith(label) and text.endswith(f"{label}\n") and label in each._repr_html_()
    assert f"Signed by {REVIEWER}, " in signed.to_text() and "draft, " not in signed.to_text()


CHANGES = {
    "edit": lambda r: with_section_review(r, "lung", SectionReview(ReviewState.EDITED, "Clear.")),
    "regenerate": lambda r: with_section(r, r.section("lung")),
    "decide": lambda r: with_decision(r, r.evidence.measurements[0].key, MeasurementDecision(removed=True)),
    "measure": lambda r: with_new_evidence(r, r.evidence, {"lung"}),
    "statistics": lambda r: with_statistics(r, {"lung": {"volume_ml": 1.0}}),
    "impression": lambda r: with_impression(r, "Nothing."),
    "log": lambda r: logged(r, "edit", "lung"),
    "sign": lambda r: sign(r, "Somebody Else"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_signed_report_cannot_be_changed(signed, change):
    with pytest.raises(InputError, match="was signed by 'Dr. Ана Müller' on .* cannot be changed; write an addendum"):
        CHANGES[change](signed)


TAMPERING = {
    "model text": lambda v: v["sections"][0].update(text="Clear.", draft="Clear."),
    "reviewed text": lambda v: v["review"]["sections"]["lung"].update(text="Clear."),
    "state": lambda v: v["review"]["sections"]["lung"].update(state="rejected"),
    "impression": lambda v: v["review"].update(impression="Nothing."),
    "measurement": lambda v: v["evidence"]["measurements"][0].update(value=1.0),
    "reviewer": lambda v: v["review"]["signature"].update(reviewer="Somebody Else"),
    "time": lambda v: v["review"]["signature"].update(time="2020-01-01T00:00:00+00:00"),
    "hash": lambda v: v["review"]["signature"].update(content_sha256="0" * 64),
    "log": lambda v: v["review"].update(log=[]),
    "model": lambda v: v["provenance"].update(model="better"),
}  # fmt: skip


@pytest.mark.parametrize("change", TAMPERING)
def test_a_file_that_was_changed_after_it_was_signed_is_refused(signed, change):
    values = json.loads(signed.to_json())
    TAMPERING[change](values)
    with pytest.raises(InputError, match="changed after .* signed it; .* remove the signature to make it a draft"):
        parse_report(json.dumps(values))


def test_formatting_does_not_break_a_signature(signed):
    assert parse_report(json.dumps(json.loads(signed.to_json()), sort_keys=True)) == signed


def test_an_object_that_was_changed_after_it_was_signed_is_neither_shown_nor_exported(signed):
    changed = dataclasses.replace(signed, skipped_regions={})
    with pytest.raises(InputError, match="changed after"):
        report_content(changed)


def test_a_report_without_its_signature_is_a_draft_again(signed):
    values = json.loads(signed.to_json())
    values["review"]["signature"] = None
    values["disclaimer"] = REVIEWED_LABEL
    assert report_content(parse_report(json.dumps(values))).banner == REVIEWED_LABEL


@pytest.mark.parametrize("label", ["", "Final report", SIGNED_LABEL])
def test_the_label_of_a_draft_cannot_be_edited_away(report, label):
    values = json.loads(report.to_json())
    values["disclaimer"] = label
    with pytest.raises(InputError, match="disclaimer .* contradicts the other fields"):
        parse_report(json.dumps(values))
    del values["disclaimer"]
    assert parse_report(json.dumps(values)).disclaimer == DRAFT_LABEL


def test_a_signature_does_not_make_a_draft_a_signed_report(report, signed):
    values = json.loads(begin_review(report).to_json())
    values["review"]["signature"] = json.loads(signed.to_json())["review"]["signature"]
    with pytest.raises(InputError, match="changed after"):
        parse_report(json.dumps(values))


def test_an_addendum_is_a_new_version_that_names_the_signed_one(signed):
    draft = addendum(signed)
    assert draft.review.earlier_signatures == (signed.review.signature,) and not draft.signed
    corrected = sign(with_section_review(draft, "lung", SectionReview(ReviewState.EDITED, "Clear.")), "Dr. B")
    content = report_content(corrected)
    assert (content.status, content.signature.reviewer, content.amends) == (
        "addendum",
        "Dr. B",
        signed.review.signature,
    )
    text = " ".join(corrected.to_text().split())
    assert "CHEST CT REPORT, ADDENDUM" in text and f"Addendum to the report signed by {REVIEWER}, " in text
    assert signed.review.signature.content_sha256[:12] in text
    assert [change.action for change in corrected.review.log] == ["sign", "addendum", "sign"]
    assert addendum(corrected).review.earlier_signatures == (signed.review.signature, corrected.review.signature)


def test_an_addendum_that_changes_nothing_cannot_be_signed(signed):
    unchanged = addendum(signed)
    lung = unchanged.review.sections["lung"]
    rejected = with_section_review(unchanged, "lung", SectionReview(ReviewState.REJECTED, lung.text))
    changed_back = logged(with_section_review(logged(rejected, "rejected", "lung"), "lung", lung), "undo", "lung")
    for draft in (unchanged, changed_back, parse_report(changed_back.to_json())):
        with pytest.raises(InputError, match="nothing has changed since the report was signed"):
            sign(draft, "Dr. B")
    again = addendum(sign(rejected, "Dr. B"))
    with pytest.raises(InputError, match="nothing has changed"):
        sign(again, REVIEWER)
    assert sign(with_section_review(again, "lung", lung), REVIEWER).signed


def test_only_a_signed_report_can_be_amended(report):
    with pytest.raises(InputError, match="Only a signed report can be amended"):
        addendum(report)


def test_a_signed_report_is_loaded_from_its_folder(signed, tmp_path):
    (tmp_path / "report.json").write_text(signed.to_json(), encoding="utf-8")
    assert load_report(tmp_path) == signed
