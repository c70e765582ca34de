"""The PDF: reading order, headers on every page, tags, fonts, and texts of any length."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from phantom_report import write_phantom_report
from reports_under_review import reviewed_report

from reg2rg.about import DRAFT_LABEL, REVIEWED_LABEL, SIGNED_LABEL
from reg2rg.exports.formats import export_report
from reg2rg.regions import REGION_NAMES
from reg2rg.report import Report, sign

pytest.importorskip("weasyprint", exc_type=OSError, reason="WeasyPrint needs the system library Pango")
pytestmark = pytest.mark.slow

HOSTILE = "<script>alert(1)</script> <b>bold</b> &amp; {{ 7 * 7 }} url(http://example.com) \x1b[31m \x00 ]]> "
BANNER_COLORS = {DRAFT_LABEL: (122, 74, 0), SIGNED_LABEL: (20, 96, 60)}


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> tuple[Report, Path]:
    return write_phantom_report(tmp_path_factory.mktemp("phantom"))


@pytest.fixture(scope="module")
def report(files) -> Report:
    return files[0]


@pytest.fixture(scope="module")
def draft(files, tmp_path_factory) -> Path:
    return export_report(files[0], "pdf", tmp_path_factory.mktemp("pdf") / "chest", files[1])


def page_texts(file: Path) -> list[str]:
    return [" ".join(page.get_textpage().get_text_range().split()) for page in pypdfium2.PdfDocument(file)]


def test_every_page_has_the_banner_and_its_number(draft):
    texts = page_texts(draft)
    assert draft.name == "chest-draft.pdf" and len(texts) > 3
    for number, text in enumerate(texts, 1):
        assert DRAFT_LABEL in text and f"Page {number} of {len(texts)}" in text


def test_sections_are_in_reading_order_with_pictures_and_a_table(draft, report):
    document = pypdfium2.PdfDocument(draft)
    text = " ".join(page_texts(draft))
    titles = ["Technique", "Impression", *(f"{title} draft" for title in ("Lungs", "Trachea and bronchi", "Pleura"))]
    positions = [text.index(title) for title in [*titles, "Region Measurement Value", "Not described", "How this"]]
    assert positions == sorted(positions)
    pictures = [thing for page in document for thing in page.get_objects([pypdfium2.raw.FPDF_PAGEOBJ_IMAGE])]
    assert len(pictures) > len(report.sections)


def test_the_banner_is_drawn_on_every_page(draft):
    for page in pypdfium2.PdfDocument(draft):
        top = np.asarray(page.render(scale=1).to_pil())[:90]
        assert (np.abs(top.astype(int) - BANNER_COLORS[DRAFT_LABEL]).max(axis=2) < 12).sum() > 8000


def test_the_pdf_is_tagged_for_screen_readers(draft):
    document = pypdfium2.PdfDocument(draft)
    assert pypdfium2.raw.FPDFCatalog_IsTagged(document)
    assert document.get_metadata_value("Title") == "Draft: Chest CT report"
    for page in document:
        tree = pypdfium2.raw.FPDF_StructTree_GetForPage(page)
        assert pypdfium2.raw.FPDF_StructTree_CountChildren(tree) > 0
        pypdfium2.raw.FPDF_StructTree_Close(tree)


def test_a_signed_report_names_its_signer_on_every_page(report, files, tmp_path):
    signed = sign(reviewed_report(report, heart=None), "Dr. Ана Müller \u5c71\u7530")
    file = export_report(signed, "pdf", tmp_path / "chest", files[1])
    texts = page_texts(file)
    assert file.name == "chest.pdf" and all(SIGNED_LABEL in text for text in texts)
    assert all("Signed by Dr. Ана Müller \u5c71\u7530, " in text for text in texts)
    assert "draft" not in " ".join(texts).lower().replace(SIGNED_LABEL.lower(), "")
    assert "Heart: rejected by the reviewer" in " ".join(texts)


def test_all_fonts_are_embedded_and_have_the_characters(report, tmp_path):
    text = "\u65e5\u672c\u8a9e \u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0627\u0644\u0639\u0631\u0628\u064a\u0629"
    file = export_report(reviewed_report(report, lung=text), "pdf", tmp_path / "chest")
    assert "\u65e5\u672c\u8a9e \u0440\u0443\u0441\u0441\u043a\u0438\u0439" in " ".join(page_texts(file))
    texts = [
        thing for page in pypdfium2.PdfDocument(file) for thing in page.get_objects([pypdfium2.raw.FPDF_PAGEOBJ_TEXT])
    ]
    fonts = [pypdfium2.raw.FPDFTextObj_GetFont(text) for text in texts]
    assert fonts and all(pypdfium2.raw.FPDFFont_GetIsEmbedded(font) == 1 for font in fonts)


@pytest.mark.parametrize(
    "texts",
    [
        dict.fromkeys(REGION_NAMES, "A finding in many words is described. " * 43),
        {"lung": HOSTILE + "word " * 20_000, "heart": "x" * 5_000, "pleura": ""},
    ],
    ids=["300 words each", "hostile"],
)
def test_texts_of_any_length_stay_within_the_pages(report, texts, tmp_path):
    file = export_report(reviewed_report(report, **texts), "pdf", tmp_path / "chest")
    everything = "".join("".join(page_texts(file)).split())
    for text in texts.values():
        expected = "".join(text.replace("\x1b", "\ufffd").replace("\x00", "\ufffd").split())[:60]
        assert expected in everything
    for page in pypdfium2.PdfDocument(file):
        assert REVIEWED_LABEL in " ".join(page.get_textpage().get_text_range().split())
        picture = np.asarray(page.render(scale=1).to_pil())
        assert (picture[:, :20] == 255).all() and (picture[:, -20:] == 255).all()  # nothing reaches into the margins


def test_the_file_names_no_patient_and_no_source(draft, files):
    assert str(files[1]).encode() not in draft.read_bytes()
    metadata = pypdfium2.PdfDocument(draft).get_metadata_dict()
    assert {name for name, value in metadata.items() if value} <= {"Title", "Creator", "Producer"}


def test_a_report_without_pictures_of_the_ct_is_still_complete(report, tmp_path):
    plain = dataclasses.replace(report, evidence=None)
    assert "Lungs" in " ".join(page_texts(export_report(plain, "pdf", tmp_path / "chest")))
