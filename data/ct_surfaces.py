"""Bone and skin of a CT as triangle meshes, in the scanner's physical coordinates (LPS, mm).

Volumes are resampled to cubic voxels by cubic splines before marching cubes, and the mesh is smoothed without
shrinking, so that coarse or thick-sliced scans hardly show their voxels. No orientation of the head is assumed.
Where the volume ends, surfaces are closed flat.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from data import ct_body, ct_vertebrae
from data.isosurface import isosurface, largest_part, smoothed, without_small_parts
from data.volume_files import Volume
from data.volume_grid import cropped_to_tissue, refined, resampled, working_spacing
from fields.mesh import Mesh
from flame_jax.errors import InputError

BONE_HU = 250.0
"""Bone's surface: low, so that thin facial bone survives coarse voxels, and above vessels with contrast agent.

On a CT of 3.2 mm voxels it lies 0.9 mm (chin) to 1.1 mm (forehead) outside of the surface at 600 HU, which is about
half-way from flesh to dense bone; 8 % of its vertices, on thin bone, have nothing within 3 mm at 600 HU.
"""
SKIN_HU = ct_body.TISSUE_HU
"""Skin's surface: about half-way from air (-1000) to fat and skin (-100 to 50), a little above it to leave out hair."""

_COARSE = 2.0  # mm: voxels on which the body, its depth and the neck are found
_LEAST_BONE = 5_000.0  # mm³ in one piece; a mandible's ramus is about that
_LEAST_PIECE = 300.0  # mm³: a tooth; smaller pieces are noise, calcifications and bits of tube
_BURIED = 18.0  # mm under the skin: loose pieces wholly below it are vertebrae, hyoid, tubes; a mandible never is
_OUTSIDE = 1.5  # mm beyond the skin where something may still belong to it
_SLOPE_HU = 150.0  # per mm: the steepness with which fillings and removals are painted into the volume
_SKIN_BLUR = 0.6  # of what a source voxel is wider than a working one, as the sd of a Gaussian
_LEAST_AIR = 0.001  # of all voxels


@dataclasses.dataclass(frozen=True)
class _Scan:
    """A volume cut down to the body, on two grids of cubic voxels that share their first voxel's centre."""

    fine: Volume
    coarse: Volume
    dry: bool
    """Bone without flesh."""
    solid: Bool[np.ndarray, "z y x"]
    """Body with airways, without table and tubes, on the coarse grid."""
    tubes: Bool[np.ndarray, "z y x"]
    """What was taken for tubes, on the coarse grid."""

    @property
    def depth(self) -> Float[np.ndarray, "z y x"]:
        """Distance in mm to the skin, positive inside, negative outside, on the coarse grid."""
        step = float(self.coarse.spacing[0])
        depth = ct_body.depth_in_body(self.solid, step) - ct_body.depth_in_body(~self.solid, step)
        return ndimage.gaussian_filter(depth, 0.7)  # the mask's steps

    def refined(self, field: np.ndarray) -> Float[np.ndarray, "z y x"]:
        """A field of the coarse grid on the fine one."""
        shape = self.fine.hounsfield.shape
        return refined(field, float(self.coarse.spacing[0]), shape, float(self.fine.spacing[0]))


def bone_surface(volume: Volume, threshold: float | None = None) -> Mesh:
    """The surface of skull and mandible: millimetres, LPS, wound counter-clockwise seen from outside the bone.

    Left out: table, head holder and tubes (what lies outside the body), loose pieces that are small or deep under the
    skin, and the vertebrae, as far as they reach the volume's end (`data.ct_vertebrae`). Inner surfaces are kept.
    `threshold` is in HU, BONE_HU by default. Raises InputError when there is no bone.
    """
    threshold = BONE_HU if threshold is None else threshold
    _require_bone(volume, threshold)
    scan = _scan(volume)
    hounsfield = scan.fine.hounsfield
    bone = hounsfield > threshold
    column = np.zeros_like(bone)
    depth = None
    if not scan.dry:
        depth = scan.refined(scan.depth)
        bone &= depth > -_OUTSIDE
        column = _column_on_fine_grid(scan, threshold)
        bone &= ~column
    keep = _skull_pieces(bone, depth, float(scan.fine.spacing[0]))
    if not keep.any():
        raise _no_bone(volume, threshold)
    around = ndimage.binary_dilation(keep, np.ones((3, 3, 3), dtype=bool)) & ~(column & ~keep)
    other = (hounsfield > threshold) & ~keep
    painted = np.where(around & ~other, hounsfield, np.minimum(hounsfield, threshold - _SLOPE_HU))
    mesh = without_small_parts(isosurface(scan.fine, painted, threshold), _LEAST_PIECE)
    return smoothed(mesh, rounds=20)


def skin_surface(volume: Volume, threshold: float = SKIN_HU) -> Mesh:
    """The outer surface of the head in one closed piece: millimetres, LPS, outward winding.

    Airways and sinuses are filled; nostrils, ear canals and an open mouth are closed a few millimetres inside. Table
    and tubes are left out as far as they are thinner than 12 mm or not joined to the body. Hair is mostly left out.
    Raises InputError when the volume holds no air or no body.
    """
    _require_air(volume, threshold)
    scan = _scan(volume)
    if not scan.solid.any():
        raise InputError(f"{volume.source}: no skin at {threshold:g} HU; is it a CT in Hounsfield units?")
    depth = scan.refined(scan.depth)
    inside = threshold + _SLOPE_HU * (depth - _OUTSIDE)
    margin = np.full_like(depth, _OUTSIDE)
    if scan.tubes.any():
        # Where a tube lay on the skin, the coarse mask alone is the skin.
        step = float(scan.coarse.spacing[0])
        to_tube = scan.refined(ndimage.distance_transform_edt(~scan.tubes) * step)
        margin *= np.clip(to_tube / step - 1.0, 0.0, 1.0)
    outside = threshold + _SLOPE_HU * (depth + margin)
    painted = np.minimum(np.maximum(scan.fine.hounsfield, inside), outside)
    # Samples wider than 1 mm leave terraces that no interpolation removes.
    blur = _SKIN_BLUR * np.maximum(volume.spacing[::-1] / scan.fine.spacing[0] - 1.0, 0.0)
    painted = ndimage.gaussian_filter(painted, blur, mode="nearest")
    return smoothed(largest_part(isosurface(scan.fine, painted, threshold)), rounds=20)


def open_where_scan_ends(surface: Mesh, volume: Volume) -> Mesh:
    """The surface without the flat lids that close it at the volume's ends: they are no anatomy, and nothing should
    be fitted to them or scored on them. `surface` comes from `bone_surface` or `skin_surface` of `volume`.
    """
    to_axes = volume.direction.T  # physical to index axes, x y z
    centroids = (surface.vertices[surface.faces].mean(axis=1) - volume.origin) @ to_axes.T
    normals = surface.face_normals() @ to_axes.T
    last = (np.array(volume.hounsfield.shape[::-1]) - 1) * volume.spacing
    slack = 1.5 * volume.spacing
    lid = ((centroids < slack) & (normals < -0.9)) | ((centroids > last - slack) & (normals > 0.9))
    faces = surface.faces[~lid.any(axis=1)]
    used, renumbered = np.unique(faces, return_inverse=True)
    return Mesh(surface.vertices[used], renumbered.reshape(faces.shape).astype(np.int32))


def _scan(volume: Volume) -> _Scan:
    volume = cropped_to_tissue(volume, ct_body.TISSUE_HU)
    spacing = working_spacing(volume)
    coarse_spacing = max(_COARSE, 2.0 * spacing)
    fine, coarse = resampled(volume, spacing), resampled(volume, coarse_spacing)
    body, dry = ct_body.body_without_table(coarse.hounsfield, coarse_spacing)
    solid = ct_body.filled(body, coarse_spacing)
    tubes = np.zeros_like(solid) if dry else ct_body.tubes(solid, coarse.hounsfield, coarse_spacing)
    return _Scan(fine, coarse, dry, ct_body.largest(solid & ~tubes), tubes)


def _column_on_fine_grid(scan: _Scan, threshold: float) -> Bool[np.ndarray, "z y x"]:
    """All voxels, bone or not, that are nearer to a vertebra than to the skull."""
    coarse, step = scan.coarse.hounsfield, float(scan.coarse.spacing[0])
    bone = (coarse > threshold) & scan.solid
    column = ct_vertebrae.column(coarse, bone, ct_body.depth_in_body(scan.solid, step), step, threshold)
    if not column.any():
        return np.zeros(scan.fine.hounsfield.shape, dtype=bool)
    to_column = scan.refined(ndimage.distance_transform_edt(~column))
    return to_column < scan.refined(ndimage.distance_transform_edt(~(bone & ~column)))


def _skull_pieces(
    bone: Bool[np.ndarray, "z y x"], depth: Float[np.ndarray, "z y x"] | None, spacing: float
) -> Bool[np.ndarray, "z y x"]:
    """The largest piece and all others that are big enough and not buried; nothing if even the largest is small."""
    labels, count = ndimage.label(bone, np.ones((3, 3, 3), dtype=bool))
    volumes = np.bincount(labels.ravel(), minlength=count + 1) * spacing**3
    volumes[0] = 0.0
    keep = volumes >= _LEAST_PIECE
    if depth is not None:
        shallow = np.bincount(labels.ravel(), depth.ravel() < _BURIED, minlength=count + 1) * spacing**3
        keep &= shallow > 0.1 * volumes
    keep[volumes.argmax()] = volumes.max() >= _LEAST_BONE
    return keep[labels] if volumes.max() >= _LEAST_BONE else np.zeros_like(bone)


def _require_bone(volume: Volume, threshold: float) -> None:
    voxel = float(np.prod(volume.spacing))
    if np.count_nonzero(volume.hounsfield > threshold) * voxel < _LEAST_BONE:
        raise _no_bone(volume, threshold)
    _require_air(volume, ct_body.TISSUE_HU)


def _require_air(volume: Volume, threshold: float) -> None:
    if np.count_nonzero(volume.hounsfield < threshold) < _LEAST_AIR * volume.hounsfield.size:
        raise InputError(
            f"{volume.source}: no air below {threshold:g} HU (lowest value {volume.hounsfield.min():g}); "
            "is it a CT in Hounsfield units? Export it with its rescale intercept."
        )


def _no_bone(volume: Volume, threshold: float) -> InputError:
    return InputError(
        f"{volume.source}: no bone above {threshold:g} HU (highest value {volume.hounsfield.max():g}); "
        "is it a CT in Hounsfield units?"
    )
