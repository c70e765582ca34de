"""What fuzzing (Testing/Fuzz) has found: files that crashed ITK, hung it, took all memory, or ended in a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import SimpleITK as sitk
from dicom_files import write_series
from region_files import write_dicom_seg
from targets import TARGETS
from tiny_chest import tiny_chest

from reg2rg.checkpoints.assembly import empty_model
from reg2rg.errors import InputError
from reg2rg.evaluation.inputs.csv_files import find_column, read_csv
from reg2rg.models.config import ModelConfig
from reg2rg.report import parse_report
from reg2rg.segmentation.label_map import LabelMapSegmenter
from reg2rg.volumes import read_volume


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[str, bytes, bytes], Path]:
    """Return a function that writes a volume of a format, with one part of its header replaced."""

    def write(suffix: str, old: bytes, new: bytes) -> Path:
        path = tmp_path / f"volume{suffix}"
        sitk.WriteImage(tiny_chest(), str(path), useCompression=b"ompress" in old)
        read_volume(path)  # valid before the change
        content = path.read_bytes()
        assert old in content
        path.write_bytes(content.replace(old, new, 1))
        return path

    return write


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"sizes: 40", b"sizes: 99999999999"),
        (b"sizes: 40", b"sizes: 40 40"),
        (b"sizes: 40", b"sizes: -40"),
        (b"kinds: domain", b"kinds: domain" + 50 * b" domain"),
        (b"left-posterior", 60 * b"left-posterior-ace: "),
        (b"encoding: raw", b"encoding: ascii"),
        (b"dimension: 3", b"dimension: 256"),
        (b"encoding: raw", b"encoding: raw\ndata file: %s%n.raw 1 10 1"),
        (b"type: short", b"type: block"),
        (b"space directions: (8,0,0)", b"space directions: (8,0,0) (8,0,0)"),
        (b"space directions: (8,0,0)", b"space directions: (1e308,0,0)"),
        (b"space directions: (8,0,0) (0,8,0)", b"space directions: (8,0,0) (8000000,8,0)"),
        (b"\n\n", b"\n"),
        (b"encoding: raw", b"encoding: raw\nnote:=\x86n\x1d\x139"),
    ],
)
def test_an_nrrd_header_that_contradicts_itself_is_refused_before_itk_reads_it(changed, old: bytes, new: bytes) -> None:
    with pytest.raises(InputError):
        read_volume(changed(".nrrd", old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"DimSize = 40 40 10", b"DimSize = 40 40 -1"),
        (b"DimSize = 40 40 10", b"DimSize = 40 40 99999999999"),
        (b"DimSize = 40 40 10", b"DimSize = 40 40"),
        (b"NDims = 3", b"NDims = 256"),
        (b"NDims = 3", b"NDims = 3\nNDims = 3"),
        (b"TransformMatrix = 1 0 0 0 1 0 0 0 1", b"TransformMatrix = 1 0 0 0 1 0 0 -1e308 1"),
        (b"TransformMatrix = 1 0 0 0 1 0 0 0 1", b"TransformMatrix = 1 0 0 0 1 0 0 65536 1"),
        (b"CompressedData = True\nCompressedDataSize = ", b"CompressedData = True\nCompressedDataSize = 99999999999"),
        (b"CompressedData = True\nCompressedDataSize = ", b"CompressedData = True\nCompressedDataSize = -"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = %n%s%s.raw 1 10 1"),
        (b"ElementDataFile = LOCAL", b"ElementDataFile = %d.raw 0 99999999999 1"),
        (b"ElementType = MET_SHORT", b"ElementType = MET_OTHER"),
        (b"BinaryData = True", b"BinaryData True"),
    ],
)
def test_a_metaimage_header_that_contradicts_itself_is_refused_before_itk_reads_it(
    changed, old: bytes, new: bytes
) -> None:
    with pytest.raises(InputError):
        read_volume(changed(".mha", old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"\x28\x00\x10\x00US\x02\x00", b"\x28\x00\x10\x00US\x01\x00"),  # an integer of one byte
        (b"\x28\x00\x10\x00US", b"\x28\x00\x10\x00ZZ"),  # an unknown type
        (b"\x02\x00\x00\x00UL\x04\x00", b"\x02\x00\x00\x00OB\x00\x00\xff\xff\xff\xfe"),  # a length of 4 GB
        (b"\x20\x00\x32\x00DS", b"\x20\x00\x32\x00UT\x00\x00\xff\xff\xff\x7f"),  # a length of 2 GB
    ],
)
@pytest.mark.parametrize("as_regions", [False, True])
def test_damaged_dicom_files_are_refused_without_the_memory_that_they_ask_for(
    tmp_path: Path, old: bytes, new: bytes, as_regions: bool
) -> None:
    volume = tiny_chest()
    if as_regions:
        path = file = tmp_path / "seg.dcm"
        write_dicom_seg(path, volume, {"lung": volume < -800})
    else:
        path = tmp_path / "series"
        write_series(path, volume)
        file = sorted(path.iterdir())[3]
    file.write_bytes(file.read_bytes().replace(old, new))
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            LabelMapSegmenter(path).segment(volume) if as_regions else read_volume(path)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_a_series_whose_modality_is_damaged_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "series", tiny_chest())
    for file in (tmp_path / "series").iterdir():
        file.write_bytes(file.read_bytes().replace(b"\x08\x00\x60\x00CS", b"\x08\x00\x60\x00C\x00"))
    with pytest.raises(InputError, match="modality"):
        read_volume(tmp_path / "series")


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("sections", 0, "findings", 0, "side"), "rigght", "expected left, right, both or null"),
        (("sections", 0, "findings", 0, "level"), "top", "expected upper, middle, lower or null"),
        (("provenance", "geometry", "size"), [99999999999, 1, 1], "expected three positive numbers of voxels"),
        (("provenance", "geometry", "size"), [10, 10], "expected three positive numbers of voxels"),
        (("provenance", "geometry", "spacing"), [1, 0, 1], "expected three positive numbers"),
        (("provenance", "geometry", "origin"), [1, 0], "expected three numbers"),
        (("provenance", "geometry", "direction"), [0] * 9, "expected a direction cosine matrix"),
    ],
)
def test_reports_with_values_that_nothing_can_show_are_refused(
    repository: Path, place: tuple[str | int, ...], value: object, message: str
) -> None:
    report = json.loads((repository / "Testing/Data/reports/schema_5.json").read_text(encoding="utf-8"))
    holder = report
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    with pytest.raises(InputError, match=message):
        parse_report(json.dumps(report))


@pytest.mark.parametrize(
    ("group", "field", "value"),
    [
        ("vision", "patch_size", [0, 8, 8]),
        ("vision", "dim", -1),
        ("language", "hidden_size", -64),
        ("language", "num_attention_heads", 0),
        ("language", "hidden_size", 4),  # which the attention heads do not divide
        ("language", "pad_token_id", 99999),
        ("language", "num_hidden_layers", 99999999999),
        ("vision", "depth", 99999999999),
    ],
)
def test_a_config_of_a_model_that_cannot_be_built_is_refused(
    repository: Path, group: str, field: str, value: object
) -> None:
    config = json.loads((repository / "Resources/Models/phantom/config.json").read_text(encoding="utf-8"))
    config[group][field] = value
    with pytest.raises(InputError):
        empty_model(ModelConfig.from_dict(config))


def test_a_message_is_one_line_even_if_it_quotes_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('"Acc\nNum\x1b[31m",b\n1,2\n')
    with pytest.raises(InputError) as error:
        find_column(read_csv(tmp_path / "a.csv"), "AccNum", [])
    assert str(error.value).isprintable()


@pytest.mark.parametrize("name", TARGETS)
def test_every_target_starts_from_files_that_are_read(name: str, tmp_path: Path) -> None:
    target = TARGETS[name](tmp_path)
    assert target.seeds
    for seed in target.seeds:
        target.read(seed)


@pytest.mark.slow
@pytest.mark.posix
def test_the_fuzzer_runs_and_finds_nothing_in_a_few_seconds(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, repository / "Testing/Fuzz/fuzz.py", "--minutes", "0.1", "--out", tmp_path]
    finished = subprocess.run([*command, "seg_nrrd"], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert "seg_nrrd: 0 inputs" not in finished.stdout and "0 findings" in finished.stdout
