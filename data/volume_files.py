"""Reads CT volumes: a folder of DICOM slices, NIfTI, NRRD or MetaImage, all by SimpleITK (ITK).

ITK's world is LPS: x to the subject's left, y to the back, z to the crown, in millimetres. ITK turns NIfTI's RAS
into it and applies DICOM's rescale slope and intercept, so every format gives the same geometry and Hounsfield units.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import scipy.optimize
import SimpleITK as sitk
from jaxtyping import Float, Num

from flame_jax.errors import InputError

EXTENSIONS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm")
"""Volume files. A folder is taken for a DICOM series."""

_NOT_CT = ("MR", "PT", "NM", "US")
_STEP_TOLERANCE = 0.05  # of the usual slice step; headers round positions, a missing slice is off by 1.0
_SQUARENESS_TOLERANCE = 1e-3


@dataclasses.dataclass(frozen=True)
class Volume:
    """A CT volume and where it lies."""

    hounsfield: Float[np.ndarray, "z y x"]
    """Hounsfield units, float32; the last axis runs fastest in the file."""
    spacing: Float[np.ndarray, "3"]
    """Voxel step along x, y, z in mm."""
    origin: Float[np.ndarray, "3"]
    """Physical position (LPS, mm) of the centre of voxel [0, 0, 0]."""
    direction: Float[np.ndarray, "3 3"]
    """Columns are the physical unit vectors of the index axes x, y, z; oblique in z for a tilted gantry."""
    source: str
    """File or folder, for messages."""

    def physical(self, indices: Num[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
        """Physical positions (LPS, mm) of voxel indices in array order [z, y, x]; fractions are between centres."""
        return (np.asarray(indices)[..., ::-1] * self.spacing) @ self.direction.T + self.origin


def is_volume(path: str | Path) -> bool:
    """Whether a path is to be read as a volume (a folder, or a volume's extension) rather than as a mesh."""
    path = Path(path)
    return path.is_dir() or path.name.lower().endswith(EXTENSIONS)


def read_volume(path: str | Path, series: str | None = None) -> Volume:
    """Read a CT volume.

    `path` is a folder of DICOM slices, one DICOM file (its whole series in the same folder is read) or a volume file.
    `series` is the series instance UID to take from a folder that holds several.

    Raises InputError for a missing or unreadable input, several series without `series`, an unknown series, anything
    that is not one 3-D scalar volume, slices that are missing or unevenly spaced, and modalities other than CT.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such file or folder; check the path.")
    # ITK reports broken files on stderr in several lines of C++; the exceptions below say it in one.
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    if path.is_dir():
        return _read_series(path, series)
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; export the volume again.")
    if path.suffix.lower() == ".dcm":
        own = _tag(_header(path), "0020|000e")
        return _read_series(path.parent, series or own)
    if series is not None:
        raise InputError(f"{path}: --series is for a folder of DICOM slices; leave it out for a volume file.")
    return _read_file(path)


def _read_file(path: Path) -> Volume:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        reader.ReadImageInformation()
        _require_scalar_3d(path, reader.GetSize(), reader.GetNumberOfComponents())
        image = reader.Execute()
    except RuntimeError as error:
        raise InputError(f"{path}: cannot be read as a volume ({_reason(error)}); export it again.") from error
    return _volume(image, path)


def _read_series(folder: Path, series: str | None) -> Volume:
    found = {uid: sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid) for uid in _series_uids(folder)}
    if not found:
        raise InputError(f"{folder}: no DICOM slices in this folder; give the folder that holds the slices themselves.")
    listing = ", ".join(f"{uid} ({len(files)} slices)" for uid, files in found.items())
    if series is None and len(found) > 1:
        raise InputError(f"{folder}: {len(found)} DICOM series in this folder; choose one by --series UID: {listing}.")
    uid = next(iter(found)) if series is None else series
    if uid not in found:
        raise InputError(f"{folder}: no series {uid} in this folder; --series may be: {listing}.")
    files = [Path(name) for name in found[uid]]
    headers = [_header(file) for file in files]
    modality = _tag(headers[0], "0008|0060")
    if modality in _NOT_CT:
        raise InputError(f"{folder}: series {uid} is {modality}, not CT; bone is found in Hounsfield units only.")
    if len(files) == 1:
        return _read_file(files[0])  # a multi-frame file holds the whole volume, a plain one a single slice
    step = _slice_step(folder, headers)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(file) for file in files])
    reader.SetOutputPixelType(sitk.sitkFloat32)
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise InputError(
            f"{folder}: series {uid} cannot be read as one volume ({_reason(error)}); export it again."
        ) from error
    _require_scalar_3d(folder, image.GetSize(), image.GetNumberOfComponentsPerPixel())
    return _volume(image, folder, step)


def _series_uids(folder: Path) -> tuple[str, ...]:
    try:
        return sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    except RuntimeError:
        return ()


def _slice_step(folder: Path, headers: list[sitk.ImageFileReader]) -> Float[np.ndarray, "3"]:
    """The vector in mm from one slice to the next, after checking that all slices make one even, straight stack.

    ITK takes the slice axis as the normal of the slices; under a tilted gantry the slices are offset sideways as well,
    which only this vector tells.
    """
    geometry = [(_tag(header, "0020|0037"), _tag(header, "0020|0032")) for header in headers]
    try:
        axes = np.array([[float(number) for number in orientation.split("\\")] for orientation, _ in geometry])
        positions = np.array([[float(number) for number in position.split("\\")] for _, position in geometry])
        if axes.shape[1] != 6 or positions.shape[1] != 3:
            raise ValueError("wrong number of values")
    except (ValueError, IndexError) as error:
        raise InputError(f"{folder}: slices without position or orientation; export the series again.") from error
    if np.ptp(axes, axis=0).max() > _SQUARENESS_TOLERANCE:
        raise InputError(f"{folder}: the slices are not parallel; give one axial series without a scout image.")
    normal = np.cross(axes[0, :3], axes[0, 3:])
    heights = positions @ normal
    steps = np.diff(heights)
    usual = float(np.median(steps))
    if usual <= 0 or (steps <= _STEP_TOLERANCE * usual).any():
        raise InputError(f"{folder}: several slices lie at one position; export one reconstruction only.")
    worst = int(np.abs(steps - usual).argmax())
    if abs(steps[worst] - usual) > max(_STEP_TOLERANCE * usual, 0.02):
        raise InputError(
            f"{folder}: slices are missing or unevenly spaced ({steps[worst]:.2f} mm after slice {worst + 1}, "
            f"{usual:.2f} mm elsewhere); export the complete series."
        )
    return (positions[-1] - positions[0]) / (len(positions) - 1)


def _volume(image: sitk.Image, path: Path, step: np.ndarray | None = None) -> Volume:
    hounsfield = sitk.GetArrayFromImage(image)
    if not np.isfinite(hounsfield).all():
        raise InputError(f"{path}: holds values that are not numbers; export the volume again.")
    spacing = np.array(image.GetSpacing())
    direction = np.array(image.GetDirection()).reshape(3, 3)
    if step is not None:
        spacing[2] = np.linalg.norm(step)
        direction[:, 2] = step / spacing[2]
    return _in_axis_order(Volume(hounsfield, spacing, np.array(image.GetOrigin()), direction, str(path)))


def _in_axis_order(volume: Volume) -> Volume:
    """The same volume with its axes permuted and flipped to run along x, y and z, as nearly as they can.

    A DICOM series and a NIfTI file of one scan differ in this order only; what is made of them must not.
    """
    order, axis = scipy.optimize.linear_sum_assignment(-np.abs(volume.direction))
    axis = axis[np.argsort(order)]  # index axis that runs along each of x, y, z
    hounsfield = np.transpose(volume.hounsfield, [2 - axis[2], 2 - axis[1], 2 - axis[0]])
    spacing, direction, origin = volume.spacing[axis], volume.direction[:, axis].copy(), volume.origin.copy()
    for column in range(3):
        if direction[column, column] < 0:
            last = hounsfield.shape[2 - column] - 1
            origin += last * spacing[column] * direction[:, column]
            direction[:, column] *= -1.0
            hounsfield = np.flip(hounsfield, axis=2 - column)
    return dataclasses.replace(
        volume, hounsfield=np.ascontiguousarray(hounsfield), spacing=spacing, origin=origin, direction=direction
    )


def _require_scalar_3d(path: Path, size: tuple[int, ...], components: int) -> None:
    if len(size) != 3:
        raise InputError(f"{path}: is {len(size)}-D, not one 3-D volume; export a single CT volume.")
    if components != 1:
        raise InputError(f"{path}: has {components} values per voxel (a picture?); export the CT itself.")
    if min(size) < 2:
        raise InputError(f"{path}: is a single slice; give the whole volume or the folder of all slices.")


def _header(file: Path) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(file))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise InputError(f"{file}: cannot be read as DICOM ({_reason(error)}); export it again.") from error
    return reader


def _tag(header: sitk.ImageFileReader, key: str) -> str:
    return header.GetMetaData(key).strip(" \0") if header.HasMetaDataKey(key) else ""


def _reason(error: RuntimeError) -> str:
    """The last sentence of ITK's report, which is the one that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].removeprefix("sitk::ERROR: ").rstrip(".") if lines else "no reason given"
