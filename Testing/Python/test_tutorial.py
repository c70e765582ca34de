"""The tutorial notebook runs from top to bottom."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from reg2rg.labeler import Status, extract_mentions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def notebook(repository: Path) -> nbformat.NotebookNode:
    notebook = nbformat.read(repository / "docs/tutorial.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "outputs are made when the site is built"
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(repository / "docs")}}).execute()
    return notebook


def outputs(notebook: nbformat.NotebookNode, kind: str) -> list[str]:
    cells = (cell for cell in notebook.cells if cell.cell_type == "code")
    return [output.data[kind] for cell in cells for output in cell.outputs if kind in output.get("data", {})]


def test_the_report_is_shown_with_its_sections_and_preview(notebook):
    (html,) = outputs(notebook, "text/html")
    assert "Lung nodule" in html and "data:image/png;base64," in html


def test_the_corrected_section_no_longer_states_the_nodule(notebook):
    printed = [output.text for cell in notebook.cells for output in cell.get("outputs", []) if _is_printed(output)]
    assert len(printed) == 2
    before, after = ({m.label: m.status for m in extract_mentions(text, "lung")} for text in printed)
    assert before["Lung nodule"] is Status.PRESENT
    assert after.get("Lung nodule") is not Status.PRESENT


def _is_printed(output: nbformat.NotebookNode) -> bool:
    return output.output_type == "stream" and output.name == "stdout"


def test_the_plot_of_the_finding_has_an_outline(notebook):
    picture = Image.open(io.BytesIO(base64.b64decode(outputs(notebook, "image/png")[-1]))).convert("RGB")
    red, green, blue = np.moveaxis(np.asarray(picture).astype(int), -1, 0)
    assert ((red > 200) & (green > 100) & (green < 200) & (blue < 80)).sum() > 20, "an orange contour"
