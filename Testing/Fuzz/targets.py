"""The readers that are fuzzed, each with small valid files and the words that such files contain."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "Testing" / "Python"), str(REPOSITORY / "Reg2RGExtension")]

import SimpleITK as sitk  # noqa: E402
from tiny_chest import tiny_chest  # noqa: E402


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        read: reads the content of a file.
        seeds: contents of valid files.
        words: what such files contain.
    """

    read: Callable[[bytes], object]
    seeds: Sequence[bytes]
    words: Sequence[bytes] = ()


def _written(folder: Path, image: sitk.Image, *names: str) -> list[bytes]:
    """Return an image as the contents of files with these names; a name ending in .gz is not compressed."""
    contents = []
    for name in names:
        compressed = name.startswith("z")
        sitk.WriteImage(image, str(folder / name), useCompression=compressed)
        contents.append((folder / name).read_bytes())
    return contents


def _volume_reader(folder: Path, *names: str) -> Callable[[bytes], object]:
    """Return a function that reads a content as volumes of several names. Names that end in .gz are compressed here."""
    from reg2rg.volumes import read_volume

    def read(content: bytes) -> None:
        name = names[len(content) % len(names)]
        packed = gzip.compress(content, 1) if name.endswith(".gz") else content
        (folder / name).write_bytes(packed)
        read_volume(folder / name)

    return read


def nifti(folder: Path) -> Target:
    """NIfTI files, plain and compressed."""
    seeds = _written(folder, tiny_chest(), "seed.nii")
    seeds += _written(folder, sitk.Cast(tiny_chest(), sitk.sitkFloat32), "seed.nii")
    return Target(_volume_reader(folder, "input.nii", "input.nii.gz"), seeds, [b"n+1\0", b"ni1\0", b"n+2\0\r\n\032\n"])


def nrrd(folder: Path) -> Target:
    """NRRD files, raw and compressed."""
    words = (
        b"NRRD0004|NRRD0005|type: |dimension: |space: |sizes: |space directions: |kinds: |endian: |encoding: |raw|gzip|"
    )
    words += (
        b"ascii|bzip2|hex|space origin: |domain|list|vector|none|left-posterior-superior|data file: |LIST\n|skip: |"
    )
    words += (
        b"line skip: |byte skip: |spacings: |int16|uint64|block|block size: |measurement frame: |LPS|units: |:=|\n\n"
    )
    return Target(
        _volume_reader(folder, "input.nrrd"),
        _written(folder, tiny_chest(), "seed.nrrd", "zseed.nrrd"),
        words.split(b"|"),
    )


def metaimage(folder: Path) -> Target:
    """MetaImage files, raw and compressed."""
    words = b"ObjectType = |Image|NDims = |DimSize = |ElementType = |MET_SHORT|MET_DOUBLE|MET_UCHAR_ARRAY|Compressed"
    words += (
        b"DataSize = |CompressedData = True|ElementNumberOfChannels = |HeaderSize = |ElementDataFile = |LOCAL|LIST|"
    )
    words += (
        b"BinaryDataByteOrderMSB = |TransformMatrix = |Offset = |ElementSpacing = |%d.raw 1 9 1|CenterOfRotation = |\n"
    )
    return Target(
        _volume_reader(folder, "input.mha"), _written(folder, tiny_chest(), "seed.mha", "zseed.mha"), words.split(b"|")
    )


def dicom(folder: Path) -> Target:
    """DICOM series with one changed slice, and multi-frame files."""
    from dicom_files import write_enhanced, write_series

    from reg2rg.volumes import read_volume

    write_series(folder / "series", tiny_chest())
    write_enhanced(folder / "enhanced.dcm", tiny_chest())
    slices = sorted((folder / "series").iterdir())
    enhanced = (folder / "enhanced.dcm").read_bytes()

    def read(content: bytes) -> None:
        if len(content) > len(enhanced) // 2:
            (folder / "input.dcm").write_bytes(content)
            read_volume(folder / "input.dcm")
        else:
            slices[0].write_bytes(content)
            read_volume(folder / "series")

    tags = "28000010 28001000 20003200 20003700 28003000 28000800 28000001 e07f1000 feff00e0 feff0de0 feffdde0 ffffffff"
    kinds = [b"US", b"DS", b"IS", b"SQ", b"OW", b"UN", b"UI", b"LO", b"AT", b"FD", b"CT", b"MR"]
    return Target(read, [slices[0].read_bytes(), enhanced], [*map(bytes.fromhex, tags.split()), *kinds])


def seg_nrrd(folder: Path) -> Target:
    """Slicer segmentations."""
    from region_files import write_seg_nrrd

    from reg2rg.segmentation.label_map import LabelMapSegmenter

    volume = tiny_chest()
    lung = sitk.BinaryThreshold(volume, -900, -800)
    heart = sitk.BinaryThreshold(volume, 0, 100)
    fields = [
        {
            "ID": "Segment_1",
            "Name": "lung",
            "LabelValue": "1",
            "Layer": "0",
            "Tags": "TerminologyEntry:c~SCT^1^A~SCT^2^B",
        },
        {"ID": "Segment_2", "Name": "heart", "LabelValue": "1", "Layer": "1", "Extent": "0 1 0 1 0 1"},
    ]
    write_seg_nrrd(folder / "two.seg.nrrd", sitk.Compose([lung, heart]), fields)
    write_seg_nrrd(folder / "one.seg.nrrd", lung + 2 * heart, [fields[0], {"Name": "heart", "LabelValue": "2"}])
    path = folder / "input.seg.nrrd"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        LabelMapSegmenter(path).segment(volume)

    words = (
        b"Segment0_|Segment1_|Segment2_|ID:=|Name:=|LabelValue:=|Layer:=|Tags:=|lung|heart|list|none|sizes: |kinds: |"
    )
    words += b"vector|uint8|double|int64|dimension: |encoding: |raw|gzip|TerminologyEntry:|~|^|\n"
    seeds = [(folder / name).read_bytes() for name in ("two.seg.nrrd", "one.seg.nrrd")]
    return Target(read, seeds, words.split(b"|"))


def dicom_seg(folder: Path) -> Target:
    """DICOM segmentations."""
    from region_files import write_dicom_seg

    from reg2rg.segmentation.label_map import LabelMapSegmenter

    volume = tiny_chest()
    masks = {"lung": sitk.BinaryThreshold(volume, -900, -800), "heart": sitk.BinaryThreshold(volume, 0, 100)}
    write_dicom_seg(folder / "seed.dcm", volume, masks)
    path = folder / "input.dcm"

    def read(content: bytes) -> None:
        path.write_bytes(content)
        LabelMapSegmenter(path).segment(volume)

    words = [b"SQ", b"US", b"UL", b"DS", b"CS", b"UI", b"OB", b"BINARY", b"FRACTIONAL", b"LABELMAP", b"\x62\0\x04\0"]
    return Target(read, [(folder / "seed.dcm").read_bytes()], words)


def report_json(folder: Path) -> Target:
    """Report texts of all schema versions, and what is shown of them."""
    from reg2rg.report import parse_report

    def read(content: bytes) -> None:
        (folder / "report.json").write_bytes(content)
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            return
        report = parse_report(text)
        assert parse_report(report.to_json()) == report
        report.to_text()
        report._repr_html_()

    seeds = [file.read_bytes() for file in sorted((REPOSITORY / "Testing/Data/reports").glob("*.json"))]
    return Target(read, seeds, _json_words(seeds))


def report_folder(folder: Path) -> Target:
    """Report folders as ``load_report`` reads them."""
    from reg2rg.report import load_report

    def read(content: bytes) -> None:
        (folder / "report.json").write_bytes(content)
        report = load_report(folder)
        report.provenance.geometry.to_image()

    seeds = [file.read_bytes() for file in sorted((REPOSITORY / "Testing/Data/reports").glob("*.json"))]
    return Target(read, seeds, _json_words(seeds))


def config_json(folder: Path) -> Target:
    """Model configurations, and the models that they describe."""
    from reg2rg.checkpoints import ModelFolder
    from reg2rg.checkpoints.assembly import assemble
    from reg2rg.checkpoints.weights_file import open_weights

    source = REPOSITORY / "Resources/Models/phantom"
    (folder / "SHA256SUMS").write_bytes((source / "SHA256SUMS").read_bytes())
    shapes, read_tensor = open_weights(source / "model.safetensors")

    def read(content: bytes) -> None:
        (folder / "config.json").write_bytes(content)
        assemble(ModelFolder.open(folder).config, shapes, read_tensor)

    seeds = [(source / "config.json").read_bytes()]
    return Target(read, seeds, _json_words(seeds))


def evaluation_csv(folder: Path) -> Target:
    """Predictions and references of the evaluation."""
    from reg2rg.evaluation.inputs.pairing import pair_texts
    from reg2rg.evaluation.inputs.prediction_files import read_predictions
    from reg2rg.evaluation.inputs.predictions import Level

    predictions = (
        b'AccNum,GT_report,Pred_report\r\na,"The region 0 is lung: Clear, a nodule.",The region 0 is lung: Clear.\r\n'
    )
    references = b'Volumename,Anatomy,Sentence\na.nii.gz,lung,"Clear."\na.nii.gz,,Clear.\nb,heart,"Large\nheart."\n'

    def read(content: bytes) -> None:
        (folder / "input.csv").write_bytes(content)
        (folder / "valid.csv").write_bytes(predictions)
        if b"natomy" in content:
            pair_texts(read_predictions([folder / "valid.csv"], folder / "input.csv"))
        else:
            pair_texts(read_predictions([folder / "input.csv"]), Level.REGION if len(content) % 2 else None)

    words = [
        b'"',
        b",",
        b"\n",
        b"\r\n",
        b"\r",
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"nan",
        b"The region 1 is heart:",
        b";",
    ]
    return Target(read, [predictions, references, predictions.decode().encode("utf-16")], words)


def _json_words(seeds: Sequence[bytes]) -> list[bytes]:
    """Return the names and some values of JSON files."""
    names = {key.encode() for seed in seeds for key in _keys(json.loads(seed))}
    return [*sorted(names), b"null", b"true", b"[", b"]", b"{", b"}", b'"', b"NaN", b"Infinity", b"-1", b"[]", b"{}",
            b"\\ud800", b"\\u0000", b"1e999", b"lung", b"left"]  # fmt: skip


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(_keys, value.values()))
    return set().union(*map(_keys, value)) if isinstance(value, list) else set()


TARGETS = {
    target.__name__: target
    for target in (
        *(nifti, nrrd, metaimage, dicom, seg_nrrd, dicom_seg),
        *(report_json, report_folder, config_json, evaluation_csv),
    )
}
"""Name of each target -> a function that prepares it in a folder."""
