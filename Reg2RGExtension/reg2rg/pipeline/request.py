"""Requests to the pipeline. A new option is defined only here; the command line, worker and module pick it up.

The command line generates its options from the fields (``reg2rg.cli.options``), and the worker reads the same fields
from JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_type_hints

from reg2rg.errors import InputError
from reg2rg.regions import Corrections, get_region
from reg2rg.runtime.dataclass_io import MAX_SEED, Constraint, Seed, from_plain, shorten

Request = TypeVar("Request", bound="VolumeRequest")

DECODINGS = ("auto", "sequence", "parallel")
BACKENDS = ("packed", "vllm")

MAX_INTERVAL_DAYS = 36_525

FIELDS_OF_A_CASE = ("volume", "series", "regions_file", "output", "corrections", "prior", "interval_days")
"""Fields that differ from case to case, or that make no sense for many cases at once."""


@dataclass(frozen=True)
class Option:
    """How a field is described to users.

    Attributes:
        help: one or two short sentences.
        flags: names on the command line, if they differ from the field's name.
        metavar: placeholder that the command line shows for the value.
    """

    help: str
    flags: tuple[str, ...] = ()
    metavar: str | None = None


@dataclass(frozen=True, kw_only=True)
class VolumeRequest:
    """Options common to segmenting regions and writing a report."""

    volume: Annotated[Path, Option("NIfTI, NRRD, MetaImage, a DICOM folder, or a ZIP archive of one.", metavar="CT")]
    series: Annotated[str | None, Option("Number or UID of the DICOM series, if there are several.")] = None
    segmenter: Annotated[str, Option("Segmenter: auto, totalsegmentator or thresholds.")] = "auto"
    regions_file: Annotated[
        Path | None,
        Option(
            "Label map, .seg.nrrd, DICOM SEG or folder of masks with the regions, used instead of a segmenter.",
            ("--regions",),
        ),
    ] = None
    mapping: Annotated[
        Mapping[str, str],
        Option("Region of a label, segment or file of given masks. Repeatable.", ("--map",), "LABEL=REGION"),
    ] = field(default_factory=dict)
    totalseg_weights: Annotated[Path | None, Option("Folder with TotalSegmentator's weights.")] = None
    fast: Annotated[bool, Option("Segment faster and less precisely (TotalSegmentator only).")] = False
    regions: Annotated[tuple[str, ...], Option("Use only this region. Repeatable.", ("--region",), "REGION")] = ()
    device: Annotated[str, Option("Device: auto, cpu, mps, cuda or cuda:N.")] = "auto"

    def __post_init__(self) -> None:
        if self.mapping and self.regions_file is None:
            raise InputError("A mapping (--map) needs the file whose labels it maps (--regions).")
        _replace(self, regions=tuple(dict.fromkeys(get_region(name).name for name in self.regions)))
        _replace(self, mapping={label: get_region(name).name for label, name in self.mapping.items()})

    @classmethod
    def from_dict(cls: type[Request], values: Mapping[str, Any]) -> Request:
        """Read a request from the plain types of JSON. A value of None stands for the default.

        Raises:
            InputError: a field is unknown, missing, or has a value of the wrong type.
        """
        return from_plain(cls, {name: value for name, value in values.items() if value is not None}, "request")


@dataclass(frozen=True, kw_only=True)
class SegmentRequest(VolumeRequest):
    """A request to segment the regions of one volume.

    Attributes:
        output: file (.seg.nrrd) to write the regions to.
    """

    output: Annotated[Path, Option("File to write the regions to, .seg.nrrd.", ("--output", "-o"))]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.output.name.endswith(".seg.nrrd"):
            raise InputError(f"Cannot write regions to {self.output}; expected a file name that ends in .seg.nrrd.")


@dataclass(frozen=True, kw_only=True)
class MeasureRequest(VolumeRequest):
    """A request for the measurements of one volume.

    Attributes:
        output: folder to write the measurements to.
    """

    output: Annotated[Path, Option("Folder to write the measurements to.", ("--output", "-o"))]


@dataclass(frozen=True, kw_only=True)
class ReportRequest(VolumeRequest):
    """A request to generate the report for one volume.

    Attributes:
        output: folder to write the report to.
    """

    output: Annotated[Path, Option("Folder to write the report to.", ("--output", "-o"))]
    model: Annotated[str | None, Option("Name of an installed model, or a model folder.")] = None
    precision: Annotated[str, Option("Precision of the language model: auto, fp32, bf16, fp16, 8bit or 4bit.")] = "auto"
    decoding: Annotated[
        str,
        Option("sequence (one text for all regions), parallel (one text per region) or auto (as in training)."),
    ] = "auto"
    backend: Annotated[str, Option("What generates the text: packed (built in) or vllm (NVIDIA GPUs only).")] = "packed"
    do_sample: Annotated[
        bool, Option("Sample words randomly (top-k) instead of choosing the most probable.", ("--sample",))
    ] = False
    max_new_tokens: Annotated[
        int, Constraint("1 or more", lambda count: count >= 1), Option("Token limit per text.")
    ] = 500
    seed: Annotated[Seed, Option("Random seed.")] = 0
    corrections: Annotated[
        Corrections,
        Option(
            'Correct a finding, such as "lung:Lung nodule=no"; the text follows the correction. Repeatable.',
            ("--correct",),
            "REGION:FINDING=yes|no",
        ),
    ] = field(default_factory=dict)
    prior: Annotated[
        Path | None,
        Option("Prior CT, or its report folder; the report then says what changed.", metavar="REPORT_OR_CT"),
    ] = None
    interval_days: Annotated[
        int | None,
        Option("Days since the prior CT; by default, from the acquisition dates of DICOM series.", metavar="DAYS"),
    ] = None
    use_cues: Annotated[bool, Option("Hide the finding head's findings from the language model.", ("--no-cues",))] = (
        True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.decoding not in DECODINGS:
            raise InputError(f"Unknown decoding {self.decoding!r}; expected one of: {', '.join(DECODINGS)}.")
        if self.backend not in BACKENDS:
            raise InputError(f"Unknown backend {self.backend!r}; expected one of: {', '.join(BACKENDS)}.")
        if self.max_new_tokens < 1:
            raise InputError(f"The token limit is {self.max_new_tokens}; expected 1 or more.")
        if not 0 <= self.seed <= MAX_SEED:
            raise InputError(f"The random seed is {self.seed}; expected a number from 0 to {MAX_SEED}.")
        if self.interval_days is not None and self.prior is None:
            raise InputError("An interval (--interval-days) needs the prior CT that it refers to (--prior).")
        if self.interval_days is not None and not 0 <= self.interval_days <= MAX_INTERVAL_DAYS:
            raise InputError(
                f"The interval is {shorten(self.interval_days)} days; expected 0 to {MAX_INTERVAL_DAYS}, a century."
            )
        _replace(self, corrections=_checked(self.corrections))


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """A request to export a report.

    Attributes:
        report: report folder.
        format: name of the format, one of reg2rg.exports.formats.FORMATS.
        output: file or folder to write.
        ct: the CT (a file, or a folder with a DICOM series) for formats that show it or refer to it.
        study: DICOM keyword -> value, patient and study of a CT without DICOM headers, for formats that refer to it.
        dicomweb: address of the DICOMweb service that stores the images, for formats that contain links.
    """

    report: Path
    format: str
    output: Path
    ct: Path | None = None
    study: Mapping[str, str] = field(default_factory=dict)
    dicomweb: str | None = None


@dataclass(frozen=True, kw_only=True)
class SendRequest:
    """A request to send DICOM objects to a DICOM node or a DICOMweb service.

    Attributes:
        to: address, as ``reg2rg.exports.sending.address`` reads it.
        folder: folder with DICOM files, or a report folder, which is exported first. None: only check that the address
            answers.
        ct: the CT of a report folder.
        study: patient and study of that CT, as in ExportRequest.
        record: folder in which stored objects are recorded, so that a transfer can be resumed; ``folder`` if None.
        again: whether to send what was stored before as well.
        title: application entity title of this program.
        tls_ca: certificates of the authorities to trust; those of the system if None.
        tls_cert: this program's own certificate.
        tls_key: private key of that certificate.
    """

    to: str
    folder: Path | None = None
    ct: Path | None = None
    study: Mapping[str, str] = field(default_factory=dict)
    record: Path | None = None
    again: bool = False
    title: str = "REG2RG"
    tls_ca: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None


def request_options(cls: type[VolumeRequest]) -> dict[str, Option]:
    """Return the description of each field of a request, keyed by name."""
    hints = get_type_hints(cls, include_extras=True)
    described = {}
    for each in fields(cls):
        described[each.name] = next(item for item in hints[each.name].__metadata__ if isinstance(item, Option))
    return described


def _replace(request: VolumeRequest, **values: Any) -> None:
    """Set fields of a frozen request while it is made."""
    for name, value in values.items():
        object.__setattr__(request, name, value)


def _checked(corrections: Corrections) -> Corrections:
    """Return the corrections with regions and findings by their names in the report."""
    if not corrections:
        return corrections
    from reg2rg.labeler import ALL_LABELS, possible_labels  # imports numpy, which an idle worker need not wait for

    labels = {label.casefold(): label for label in ALL_LABELS}
    checked: dict[str, dict[str, bool]] = {}
    for name, findings in corrections.items():
        region = get_region(name)
        for given, present in findings.items():
            label = labels.get(given.casefold())
            if label is None:
                raise InputError(f"Unknown finding {given!r}; expected one of: {', '.join(ALL_LABELS)}.")
            possible = possible_labels(region.name)
            if label not in possible:
                raise InputError(
                    f"{label!r} is not a finding of the region {region.display_name!r}; expected one of: "
                    f"{', '.join(possible)}."
                )
            checked.setdefault(region.name, {})[label] = present
    return checked
