"""Resamples a volume to cubic voxels by cubic splines, small enough to work on."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from scipy import ndimage
from scipy.interpolate import make_interp_spline

from data.volume_files import Volume

LOWEST_HU, HIGHEST_HU = -1000.0, 2000.0
"""Range kept: air and dense enamel. Beyond lie the scanner's padding and metal, around which splines would ring."""

MOST_VOXELS = 20_000_000
"""Working grid's size limit: a head in a box of 270 mm at 1 mm; larger volumes get larger voxels."""


def cropped_to_tissue(volume: Volume, above: float, margin: float = 10.0) -> Volume:
    """The part of a volume around its larger pieces brighter than `above` HU, plus `margin` mm."""
    strides = np.maximum(1, np.round(3.0 / volume.spacing[::-1])).astype(int)
    labels, count = ndimage.label(volume.hounsfield[:: strides[0], :: strides[1], :: strides[2]] > above)
    if count == 0:
        return volume
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    # A loose jaw is about a tenth of a skull; crumbs and wires are far less.
    kept = (sizes > 0.02 * sizes.max())[labels]
    box = ndimage.find_objects(kept.astype(np.int8))[0]
    reach = np.ceil(margin / volume.spacing[::-1]).astype(int)
    start = np.array([max(0, box[k].start * strides[k] - reach[k]) for k in range(3)])
    stop = [box[k].stop * strides[k] + reach[k] for k in range(3)]
    inner = volume.hounsfield[start[0] : stop[0], start[1] : stop[1], start[2] : stop[2]]
    return Volume(inner, volume.spacing, volume.physical(start), volume.direction, volume.source)


def working_spacing(volume: Volume, finest: float = 1.0) -> float:
    """Edge in mm of cubic voxels: `finest`, or more where that would pass MOST_VOXELS."""
    size = float(np.prod(np.array(volume.hounsfield.shape[::-1]) * volume.spacing))
    return max(finest, (size / MOST_VOXELS) ** (1 / 3))


def resampled(volume: Volume, spacing: float) -> Volume:
    """The volume on cubic voxels of `spacing` mm, by separable interpolating cubic B-splines.

    Where the source is finer, each new voxel averages the spline over its own width, as a coarser scan would.
    """
    grid = np.clip(volume.hounsfield, LOWEST_HU, HIGHEST_HU)
    weights = []
    for count, step in zip(grid.shape, volume.spacing[::-1], strict=True):
        new_count = int(np.floor((count - 1) * step / spacing + 1e-6)) + 1
        weights.append(_weights(count, float(step), new_count, spacing, degree=3))
    return Volume(_separable(grid, weights), np.full(3, spacing), volume.origin, volume.direction, volume.source)


def refined(
    field: Float[np.ndarray, "z y x"], spacing: float, shape: tuple[int, ...], new_spacing: float
) -> Float[np.ndarray, "z2 y2 x2"]:
    """A field on coarse cubic voxels, linearly interpolated on finer ones that share its first voxel's centre."""
    weights = [
        _weights(count, spacing, new_count, new_spacing, degree=1)
        for count, new_count in zip(field.shape, shape, strict=True)
    ]
    return _separable(field.astype(np.float32), weights)


def _separable(grid: np.ndarray, weights: list[np.ndarray]) -> Float[np.ndarray, "z y x"]:
    grid = (weights[0] @ grid.reshape(grid.shape[0], -1)).reshape(-1, *grid.shape[1:])
    return (weights[1] @ grid) @ weights[2].T


def _weights(count: int, step: float, new_count: int, new_step: float, degree: int) -> Float[np.ndarray, "new old"]:
    """Row i gives sample i of the new grid as a weighted sum of the old samples along one axis."""
    samples = max(1, int(np.ceil(new_step / step - 1e-6)))
    offsets = ((np.arange(samples) + 0.5) / samples - 0.5) * new_step
    at = np.clip(np.arange(new_count)[:, None] * new_step + offsets, 0.0, (count - 1) * step)
    spline = make_interp_spline(np.arange(count) * step, np.eye(count), k=min(degree, count - 1))
    return spline(at).mean(axis=1).astype(np.float32)
