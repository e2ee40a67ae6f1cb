"""Where the body is in a CT: apart from the table and tubes, its airways counted as inside.

Works on cubic voxels of about 2 mm. No orientation of the head is assumed.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

TISSUE_HU = -300.0
"""Between air (-1000) and skin; table foam and hair lie below it."""

_SHEET = 3.0  # mm: half the thickness of what is cut off the body as a table's shell or a blanket
_DENSE_HU = 200.0  # bone
_DRY_SHARE = 0.4  # of bone among all that is not air: one fifth in a head with its flesh
_EAR = 20_000.0  # mm³: more than an ear, less than a table
_TUBE = 6.0  # mm: half the thickness of what is cut off as a tube, after airways are filled
_TUBE_HU = 100.0  # brighter than cartilage and skin, so that ears and lips are not taken for tubes
_TUBE_SHARE = 0.02  # of a protrusion's voxels: a tube's wall is thin
_AIRWAY = 6.0  # mm: half the width of a nostril, mouth or ear canal that is closed
_SHALLOW = 4.0  # mm: how far the closed passages stay open, so that nostrils and the lips' gap are not plugged flat

_ALL = np.ones((3, 3, 3), dtype=bool)

Mask = Bool[np.ndarray, "z y x"]


def body_without_table(hounsfield: Float[np.ndarray, "z y x"], spacing: float) -> tuple[Mask, bool]:
    """Tissue of the largest body, airways excluded, and whether it is bone without flesh.

    What an opening separates from the body is left out: a table or head holder that touches it over a thin seam only.
    Small protrusions are put back, they may be ears. A dry skull has no thick body; there the largest connected piece
    is taken as it is.
    """
    tissue = hounsfield > TISSUE_HU
    opened = _opened(tissue, _SHEET / spacing)
    core = largest(opened)
    piece = largest(tissue)
    if not piece.any():
        return piece, False
    if core.sum() < 0.5 * piece.sum() or np.mean(hounsfield[piece] > _DENSE_HU) > _DRY_SHARE:
        return piece, True
    body = tissue & (ndimage.distance_transform_edt(~core) <= _SHEET / spacing + 2)
    labels, count = ndimage.label(piece & ~body, _ALL)
    small = np.bincount(labels.ravel(), minlength=count + 1) * spacing**3 < _EAR
    small[0] = False
    return largest(body | small[labels]), False


def filled(body: Mask, spacing: float) -> Mask:
    """The body with its airways, sinuses and all other inner air, passages to the outside being closed."""
    air = ~np.pad(body, 1, mode="edge")
    far = air & (ndimage.distance_transform_edt(air) > _AIRWAY / spacing) if not air.all() else air
    outside = _outside(far)
    near = ndimage.distance_transform_edt(~outside) <= _AIRWAY / spacing
    outside = ndimage.binary_dilation(near & air, iterations=round(_SHALLOW / spacing), mask=air)
    return largest(~outside[1:-1, 1:-1, 1:-1])


def tubes(solid: Mask, hounsfield: Float[np.ndarray, "z y x"], spacing: float) -> Mask:
    """Thin protrusions of the filled body that hold something brighter than cartilage: tubes, not ears or nose."""
    core = largest(_opened(solid, _TUBE / spacing))
    if not core.any():
        return np.zeros_like(solid)
    near = ndimage.distance_transform_edt(~core) <= 2.0 / spacing
    labels, count = ndimage.label(solid & ~near, _ALL)
    if count == 0:
        return np.zeros_like(solid)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    bright = np.bincount(labels.ravel(), hounsfield.ravel() > _TUBE_HU, minlength=count + 1)
    tube = bright > _TUBE_SHARE * sizes
    tube[0] = False
    return ndimage.binary_dilation(tube[labels], _ALL) & solid & ~core


def depth_in_body(solid: Mask, spacing: float) -> Float[np.ndarray, "z y x"]:
    """Distance in mm to the skin, zero outside. The cut where the volume ends is not skin."""
    if solid.all():
        return np.full(solid.shape, np.inf)
    return ndimage.distance_transform_edt(solid) * spacing


def largest(mask: Mask) -> Mask:
    """The largest connected piece (voxels touching at least by a corner); empty if the mask is."""
    labels, count = ndimage.label(mask, _ALL)
    if count < 2:
        return mask
    return labels == np.bincount(labels.ravel())[1:].argmax() + 1


def _outside(far_air: Mask) -> Mask:
    """The air around the body: the largest piece and whatever reaches two sides of the volume.

    A windpipe that the volume's end cuts reaches one side only.
    """
    labels, count = ndimage.label(far_air, _ALL)
    if count == 0:
        return far_air
    sides = np.zeros(count + 1, dtype=int)
    for axis in range(3):
        for end in (0, -1):
            sides[np.unique(labels.take(end, axis=axis))] += 1
    keep = sides >= 2
    keep[np.bincount(labels.ravel())[1:].argmax() + 1] = True
    keep[0] = False
    return keep[labels]


def _opened(mask: Mask, radius: float) -> Mask:
    """Opening by a ball of `radius` voxels; beyond the volume everything goes on as at its end."""
    pad = int(np.ceil(radius)) + 1
    padded = np.pad(mask, pad, mode="edge")
    if padded.all():
        return mask
    eroded = ndimage.distance_transform_edt(padded) > radius
    if not eroded.any():
        return np.zeros_like(mask)
    inner = (slice(pad, -pad),) * 3
    return (ndimage.distance_transform_edt(~eroded) <= radius)[inner] & mask
