"""Volumes are read with the same values and geometry from every format, and bad ones are refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from data.volume_files import Volume, is_volume, read_volume
from flame_jax.errors import InputError
from tests.volumes_made import as_image, write_dicom_series

HEADSQ = Path(__file__).resolve().parents[3] / "shared" / "data" / "headsq_ct"
UID_A, UID_B = "1.2.3.4.5", "1.2.3.4.6"


@pytest.fixture
def image() -> sitk.Image:
    return as_image(np.random.default_rng(0).integers(-1000, 1500, size=(6, 8, 10)))


def test_volume_paths(tmp_path: Path) -> None:
    assert is_volume(tmp_path)
    assert all(is_volume(name) for name in ("a.nii", "a.nii.gz", "a.NRRD", "a.nhdr", "a.mha", "a.mhd", "a.dcm"))
    assert not any(is_volume(name) for name in ("a.obj", "a.ply", "a.gz", "a"))


@pytest.mark.parametrize("name", ["v.nii", "v.nii.gz", "v.nrrd", "v.nhdr", "v.mha", "v.mhd"])
def test_values_and_geometry_of_every_format(tmp_path: Path, image: sitk.Image, name: str) -> None:
    sitk.WriteImage(image, str(tmp_path / name))
    volume = read_volume(tmp_path / name)
    assert volume.hounsfield.dtype == np.float32
    assert_same_in_space(volume, image)


def test_dicom_series_has_the_same_values_and_geometry(tmp_path: Path, image: sitk.Image) -> None:
    write_dicom_series(tmp_path, image, UID_A)
    for path in (tmp_path, tmp_path / f"{UID_A}_002.dcm"):
        volume = read_volume(path)
        assert_same_in_space(volume, image)


def test_tilted_gantry_keeps_every_slice_where_its_header_says(tmp_path: Path, image: sitk.Image) -> None:
    write_dicom_series(tmp_path, image, UID_A, shear=0.4)
    volume = read_volume(tmp_path)
    axes = np.array(image.GetDirection()).reshape(3, 3)
    expected = np.array(image.TransformIndexToPhysicalPoint((2, 3, 5))) + 5 * 0.4 * axes[:, 1]
    assert value_at(volume, expected) == image[2, 3, 5]


def test_two_series_are_told_apart_by_uid(tmp_path: Path, image: sitk.Image) -> None:
    write_dicom_series(tmp_path, image, UID_A)
    write_dicom_series(tmp_path, image[:, :, :4] + 7, UID_B)
    message = refusal(tmp_path)
    assert "--series" in message
    assert f"{UID_A} (6 slices)" in message
    assert f"{UID_B} (4 slices)" in message
    assert read_volume(tmp_path, series=UID_B).hounsfield.shape == (4, 10, 8)
    assert read_volume(tmp_path / f"{UID_A}_000.dcm").hounsfield.shape == (6, 10, 8)
    assert "1.9.9" in refusal(tmp_path, series="1.9.9")


@pytest.mark.parametrize(
    ("skip", "shear", "modality", "says"),
    [
        ((2,), 0.0, "CT", "missing or unevenly spaced"),
        ((1, 2, 3, 4, 5), 0.0, "CT", "single slice"),
        ((), 0.0, "MR", "MR, not CT"),
    ],
)
def test_unusable_series(
    tmp_path: Path, image: sitk.Image, skip: tuple[int, ...], shear: float, modality: str, says: str
) -> None:
    write_dicom_series(tmp_path, image, UID_A, skip=skip, shear=shear, modality=modality)
    assert says in refusal(tmp_path)


def test_slices_of_several_orientations(tmp_path: Path, image: sitk.Image) -> None:
    write_dicom_series(tmp_path, image[:, :, :3], UID_A)
    other = image[:, :, 3:]
    other.SetDirection((1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, -1.0, 0.0))
    write_dicom_series(tmp_path / "other", other, UID_A)
    for number, file in enumerate((tmp_path / "other").iterdir()):
        file.rename(tmp_path / f"other_{number}.dcm")
    refusal(tmp_path)


def test_missing_empty_and_garbage(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in refusal(tmp_path / "absent.nii.gz")
    assert "no DICOM" in refusal(tmp_path)
    (tmp_path / "notes.txt").write_text("not a slice")
    assert "no DICOM" in refusal(tmp_path)
    for name in ("a.nii", "a.nii.gz", "a.nrrd", "a.mha", "a.dcm"):
        (tmp_path / name).write_bytes(b"")
        assert "empty" in refusal(tmp_path / name)
        (tmp_path / name).write_bytes(bytes(range(256)) * 8)
        refusal(tmp_path / name)
    assert capfd.readouterr().err == ""


def test_volumes_that_are_not_one_3d_ct(tmp_path: Path, image: sitk.Image) -> None:
    sitk.WriteImage(image[:, :, 2], str(tmp_path / "flat.nii"))
    refusal(tmp_path / "flat.nii")
    sitk.WriteImage(image[:, :, 2:3], str(tmp_path / "single.nrrd"))
    assert "single slice" in refusal(tmp_path / "single.nrrd")
    sitk.WriteImage(sitk.JoinSeries([image, image]), str(tmp_path / "time.nii"))
    assert "4-D" in refusal(tmp_path / "time.nii")
    sitk.WriteImage(sitk.Compose(image, image, image), str(tmp_path / "colour.mha"))
    assert "3 values per voxel" in refusal(tmp_path / "colour.mha")
    broken = sitk.Cast(image, sitk.sitkFloat32)
    broken[1, 1, 1] = float("nan")
    sitk.WriteImage(broken, str(tmp_path / "nan.mha"))
    assert "not numbers" in refusal(tmp_path / "nan.mha")
    sitk.WriteImage(image, str(tmp_path / "good.mha"))
    assert "--series" in refusal(tmp_path / "good.mha", series=UID_A)


@pytest.mark.skipif(not HEADSQ.is_dir(), reason="../shared is not there")
def test_a_real_ct_is_the_same_from_dicom_and_nifti() -> None:
    dicom, nifti = read_volume(HEADSQ / "dicom"), read_volume(HEADSQ / "headsq.nii.gz")
    corners = np.array([[0.0, 0.0, 0.0], [92.0, 0.0, 63.0], [40.0, 63.0, 5.0]])
    np.testing.assert_allclose(dicom.physical(corners), nifti.physical(corners), atol=1e-3)
    np.testing.assert_array_equal(dicom.hounsfield, nifti.hounsfield)


def value_at(volume: Volume, point: np.ndarray) -> float:
    """Value of the voxel whose centre lies at a physical point."""
    index = np.linalg.solve(volume.direction * volume.spacing, np.asarray(point) - volume.origin)
    nearest = np.round(index).astype(int)
    np.testing.assert_allclose(index, nearest, atol=1e-3)
    return float(volume.hounsfield[tuple(nearest[::-1])])


def assert_same_in_space(volume: Volume, image: sitk.Image) -> None:
    """Every voxel of the image is found at its physical place, and the axes run along x, y and z."""
    assert (np.diagonal(volume.direction) > 0.5).all()
    for index in np.ndindex(image.GetSize()):
        index = tuple(int(i) for i in index)
        assert value_at(volume, np.array(image.TransformIndexToPhysicalPoint(index))) == image[index]


def refusal(path: Path, series: str | None = None) -> str:
    """The one-line message with which a path is refused; it names the file or folder."""
    with pytest.raises(InputError) as caught:
        read_volume(path, series)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name.split(".")[0] in message
    return message
