"""Small CT volumes made for the tests: a phantom of a head, and volumes written as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from data.volume_files import Volume

AIR, FLESH, BONE = -1000.0, 40.0, 1200.0


def head_phantom(spacing: float = 2.0, *, flesh: bool = True, table: bool = True) -> Volume:
    """A head 120 mm wide on a table.

    A skull of radius 50 with a cavity and a wall 6 mm thick, a jaw apart from it close to the skin, a column below that
    touches the skull by a weak joint and leaves the volume, an airway open to the front, a tube hanging from it, and a
    table 8 mm behind the head. x is left, y back, z up; the origin is the skull's centre.
    """
    x_mm, y_mm, z_mm = np.arange(-80, 81, spacing), np.arange(-90, 101, spacing), np.arange(-120, 71, spacing)
    z, y, x = np.meshgrid(z_mm, y_mm, x_mm, indexing="ij")
    hounsfield = np.full(z.shape, AIR, dtype=np.float32)
    radius = np.sqrt(x**2 + y**2 + z**2)
    if flesh:
        hounsfield[(radius < 62) | ((np.hypot(x, y) < 58) & (z < 0))] = FLESH
    hounsfield[(radius < 50) & (radius > 44)] = BONE
    jaw = (np.abs(np.hypot(x, y) - 46) < 4) & (y < 0) & (np.abs(z + 80) < 8)
    hounsfield[jaw] = BONE
    hounsfield[(np.hypot(x, y) < 12) & (z < -56)] = 600.0
    hounsfield[(np.hypot(x, y) < 8) & (z < -48) & (z >= -56)] = 330.0  # the joint
    if flesh:
        hounsfield[(np.hypot(x, z + 62) < 4) & (y < -30)] = AIR
        tube = np.abs(np.hypot(x - 20, y + 66) - 4) < 1.5
        hounsfield[tube & (z < -60)] = 400.0
        hounsfield[(np.hypot(x - 20, z + 60) < 5) & (y < -54) & (y > -68)] = 400.0
    if table:
        hounsfield[(np.abs(y - 75) < 5)] = -100.0
        hounsfield[(np.abs(y - 75) < 2.5) & (np.abs(x) < 20)] = 900.0
    origin = np.array([x_mm[0], y_mm[0], z_mm[0]], dtype=np.float64)
    return Volume(hounsfield, np.full(3, spacing), origin, np.eye(3), "phantom")


def as_image(array: np.ndarray) -> sitk.Image:
    """An int16 image with an uneven spacing, an offset and turned axes."""
    image = sitk.GetImageFromArray(array.astype(np.int16))
    image.SetSpacing((0.5, 0.75, 2.0))
    image.SetOrigin((-12.5, 30.0, -100.0))
    image.SetDirection((0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
    return image


def write_dicom_series(
    folder: Path,
    image: sitk.Image,
    uid: str,
    *,
    skip: tuple[int, ...] = (),
    shear: float = 0.0,
    modality: str = "CT",
) -> None:
    """Write one DICOM series with intercept -1024, leaving out slices; `shear` tilts the gantry (mm a slice)."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = sitk.ImageFileWriter()
    writer.KeepOriginalImageUIDOn()
    axes = np.array(image.GetDirection()).reshape(3, 3)
    orientation = "\\".join(str(number) for number in np.concatenate([axes[:, 0], axes[:, 1]]))
    for index in range(image.GetSize()[2]):
        if index in skip:
            continue
        position = np.array(image.TransformIndexToPhysicalPoint((0, 0, index))) + index * shear * axes[:, 1]
        piece = image[:, :, index]  # the writer takes the intercept off
        for key, value in {
            "0008|0060": modality,
            "0008|0016": "1.2.840.10008.5.1.4.1.1.2",
            "0008|0018": f"{uid}.{index + 1}",
            "0020|000d": "1.2.3.4",
            "0020|000e": uid,
            "0020|0013": str(index + 1),
            "0020|0032": "\\".join(str(number) for number in position),
            "0020|0037": orientation,
            "0028|1052": "-1024",
            "0028|1053": "1",
        }.items():
            piece.SetMetaData(key, value)
        piece.SetSpacing(image.GetSpacing()[:2])
        writer.SetFileName(str(folder / f"{uid}_{index:03d}.dcm"))
        writer.Execute(piece)
