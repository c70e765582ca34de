"""Properties of reading, on random volumes and series: each is read right, or refused with one line.

`make test` tries 200 examples, `make test-nightly` 2000.
"""

from __future__ import annotations

import os
import random
import tempfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_files import write_enhanced, write_series
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_volumes import ct

from reg2rg.errors import InputError
from reg2rg.volumes import read_volume

EXAMPLES = int(os.environ.get("REG2RG_EXAMPLES", "200"))

settings.register_profile(
    "inputs", max_examples=EXAMPLES // 4, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
examples = settings(settings.get_profile("inputs"))
"""A quarter for each of the four properties."""

TYPES = [np.int16, np.int32, np.float32, np.float64]

spacings = st.tuples(*(st.floats(9.0, 14.0) for _ in range(3)))
origins = st.tuples(*(st.floats(-500, 500) for _ in range(3)))
angles = st.tuples(*(st.floats(-30, 30) for _ in range(3)))


@st.composite
def volumes(draw: st.DrawFn) -> sitk.Image:
    """Return CTs of random size, spacing, place, direction and type; some mirrored, some with axes in another order."""
    image = ct(draw(st.integers(9, 16)), draw(st.sampled_from(TYPES)))
    image.SetSpacing(draw(spacings))
    image.SetOrigin(draw(origins))
    rotation = sitk.Euler3DTransform((0, 0, 0), *np.radians(draw(angles)).tolist())
    flips = np.diag(draw(st.tuples(*(st.sampled_from([1, -1]) for _ in range(3)))))
    image.SetDirection((np.reshape(rotation.GetMatrix(), (3, 3)) @ flips).ravel().tolist())
    return image


def read(path: Path) -> tuple[sitk.Image, list[str]]:
    notices: list[str] = []
    volume = read_volume(path, None, notices.append)
    assert all(notice and "\n" not in notice for notice in notices)
    return volume, notices


def read_or_refuse(path: Path) -> sitk.Image | None:
    """Return the volume, or None if it is refused; anything but an InputError of one line is a fault."""
    try:
        return read(path)[0]
    except InputError as error:
        assert str(error) and "\n" not in str(error)
        return None


def assert_same_places(volume: sitk.Image, image: sitk.Image) -> None:
    """Compare two images voxel by voxel, whatever the order and direction of their axes are."""
    for corner in ((0, 0, 0), [n - 1 for n in image.GetSize()], [n // 3 for n in image.GetSize()]):
        place = image.TransformIndexToPhysicalPoint([int(n) for n in corner])
        index = volume.TransformPhysicalPointToContinuousIndex(place)
        np.testing.assert_allclose(index, np.rint(index), atol=2e-3)
        assert volume[[int(n) for n in np.rint(index)]] == image[[int(n) for n in corner]]
    values, expected = sitk.GetArrayFromImage(volume), sitk.GetArrayFromImage(image)
    np.testing.assert_array_equal(np.sort(values, axis=None), np.sort(expected, axis=None))


FORMATS: dict[str, Callable[[Path, sitk.Image], object]] = {
    **dict.fromkeys(
        ["a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.mhd", "a.nhdr"], lambda p, i: sitk.WriteImage(i, str(p))
    ),
    **dict.fromkeys(
        ["b.nrrd", "b.mha", "b.mhd", "b.nhdr"], lambda p, i: sitk.WriteImage(i, str(p), useCompression=True)
    ),
}


@examples
@given(volumes(), st.sampled_from(sorted(FORMATS)))
def test_a_volume_file_is_read_with_its_values_in_their_places(image: sitk.Image, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        FORMATS[name](Path(folder, name), image)
        volume, notices = read(Path(folder, name))
        assert_same_places(volume, image)
        assert notices == []


@examples
@given(volumes(), st.booleans(), st.sampled_from([1.0, 0.5]), st.integers(0, 2**32))
def test_a_dicom_series_is_read_with_its_values_in_their_places(image, enhanced: bool, slope: float, seed: int) -> None:
    image = sitk.Cast(image, sitk.sitkInt16) // 2 * 2
    if np.linalg.det(np.reshape(image.GetDirection(), (3, 3))) < 0:
        image = image[:, :, ::-1]  # DICOM has no left-handed axes: slices are sorted along their normal
    with tempfile.TemporaryDirectory() as folder:
        if enhanced:
            write_enhanced(Path(folder, "ct.dcm"), image, own_rescale=slope != 1.0)
        else:
            write_series(Path(folder), image, slope=slope)
            files = sorted(Path(folder).iterdir())
            names = random.Random(seed).sample(range(1000), len(files))
            for file, number in zip(files, names, strict=True):
                file.rename(file.with_name(f"IM{number}"))
        volume, notices = read(Path(folder))
        assert_same_places(volume, image)
        assert notices == []


def damage(data: bytes, kind: str, place: float, seed: int) -> bytes:
    """Cut, overwrite, repeat or empty a part of a file."""
    start, length = int(place * len(data)), 1 + seed % 64
    return {
        "cut": data[:start],
        "zeros": data[:start] + bytes(length) + data[start + length :],
        "random": data[:start] + random.Random(seed).randbytes(length) + data[start + length :],
        "repeated": data[: start + length] + data[start:],
        "removed": data[:start] + data[start + length :],
        "random header": random.Random(seed).randbytes(min(start, 400)) + data[min(start, 400) :],
    }[kind]


damages = st.tuples(
    st.sampled_from(["cut", "zeros", "random", "repeated", "removed", "random header"]),
    st.one_of(st.floats(0, 0.999), st.floats(0, 0.05)),
    st.integers(0, 2**32),
)


@examples
@given(st.sampled_from(sorted(FORMATS)), damages)
def test_a_damaged_file_is_refused_in_one_line_or_read_as_a_ct(name: str, how) -> None:
    with tempfile.TemporaryDirectory() as folder:
        FORMATS[name](Path(folder, name), ct())
        voxels = next((file for file in Path(folder).iterdir() if file.name != name), Path(folder, name))
        file = voxels if how[2] % 2 else Path(folder, name)
        file.write_bytes(damage(file.read_bytes(), *how))
        volume = read_or_refuse(Path(folder, name))
        if volume is not None and "b." in name and file == voxels != Path(folder, name):
            np.testing.assert_array_equal(sitk.GetArrayFromImage(volume), sitk.GetArrayFromImage(ct()))


@examples
@given(st.lists(damages, min_size=1, max_size=4), st.booleans())
def test_a_series_with_damaged_files_is_refused_in_one_line_or_read_whole(hows, enhanced: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_enhanced(Path(folder, "ct.dcm"), ct()) if enhanced else write_series(Path(folder), ct())
        files = sorted(Path(folder).iterdir())
        for how in hows:
            file = files[how[2] % len(files)]
            file.write_bytes(damage(file.read_bytes(), *how))
        volume = read_or_refuse(Path(folder))
        if volume is not None:
            assert volume.GetSize()[2] >= 10


HEADER_VALUES = [0, -1, 1, 3, 7, 255, 32767, -32768, float("nan"), float("inf"), 1e-30, 1e30]


@pytest.mark.parametrize(
    "field",
    [
        "dim",
        "pixdim",
        "srow_x",
        "quatern_b",
        "qform_code",
        "sform_code",
        "bitpix",
        "datatype",
        "vox_offset",
        "scl_slope",
        "scl_inter",
        "xyzt_units",
    ],
)
def test_any_value_in_a_nifti_header_is_read_or_refused(tmp_path: Path, field: str) -> None:
    sitk.WriteImage(ct(), str(tmp_path / "whole.nii"))
    data = (tmp_path / "whole.nii").read_bytes()
    for position in range(np.size(nibabel.Nifti1Header()[field])):
        for value in HEADER_VALUES:
            header = nibabel.Nifti1Header(data[:348], check=False).structarr.copy()
            with np.errstate(all="ignore"):
                header[field].reshape(-1)[position : position + 1] = np.array(value).astype(header[field].dtype)
            (tmp_path / "ct.nii").write_bytes(header.tobytes() + data[348:])
            read_or_refuse(tmp_path / "ct.nii")
