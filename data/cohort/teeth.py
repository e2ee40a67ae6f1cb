"""Which vertices are the crown of which tooth, and where they go when teeth are lost.

A crown is what lies between the bite and the alveolar margin (`data.cohort.arch`) and between two interdental grooves,
from the cheek's side to the tongue's. When its tooth is lost it shrinks onto the margin: the walls to a low rim, the
chewing surface to a shallow bowl, as a socket is when it has begun to heal. Long after all teeth of a jaw are lost the
ridge is resorbed: it loses height, levels out and becomes narrow. Tallgren, "The continuing reduction of the residual
alveolar ridges in complete denture wearers", J. Prosthet. Dent. 27:120-132 (1972), gives 9 to 10 mm at the front of the
mandible in 25 years, and 2.5 to 3 mm of the maxilla, not counting what healing took before.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from data.cohort.arch import Arch, Row

UPPER_RIGHT_INCISOR, UPPER_LEFT_INCISOR, LOWER_LEFT_INCISOR, LOWER_RIGHT_INCISOR = 8, 9, 24, 25
"""Universal numbers of the central incisors. Behind the first and the third of them numbers fall, behind the others
they rise."""
_RIM = 0.06
"""Share of a crown's height that stays as the socket's rim."""
_BOWL_MM = 1.2
"""How deep a socket is in its middle."""
_NARROW = 0.2
"""Share of the distance to the crown's middle by which the rim rounds inward."""
_CREST_BEHIND_MM = 4.5
"""Middle of the ridge behind its buccal side."""
_CREST_MM = 1.2
"""How far a resorbed ridge's middle stands over its sides."""
_BEHIND_LAST_MM = 4.5
"""The last crowns reach this far behind the last groove: bone between the rows must not stay as a post."""
_HALF_RIDGE_MM = 4.5
_DEPTHS_MM = (-4.0, 14.0)
"""Depths behind the buccal side at which bone at the height of the crowns is a crown."""
_LOST_MM = {True: 4.0, False: 9.0}
"""Height that an edentulous ridge loses on average; True: upper jaw. Tallgren, with a little for healing above."""
_REACH_MM = {True: 13.0, False: 19.0}
"""How far from the margin the bone takes part in it."""
_FADE_MM = 8.0
"""Behind the last tooth, and behind the ridge's far side, resorption fades out over this length."""


@dataclasses.dataclass(frozen=True)
class Teeth:
    """Crowns, and displacements that take them away."""

    tooth: Int[np.ndarray, " vertices"]
    """0: none; 1 to 32 in the Universal numbering system."""
    socket: Float[np.ndarray, "vertices 3"]
    """Takes a vertex of a crown onto the ridge, mm; zero elsewhere."""
    resorbed: Float[np.ndarray, "vertices 3"]
    """Takes the ridge without teeth to a resorbed one, mm, added to `socket`; zero away from the ridge."""


def find_teeth(vertices: Float[np.ndarray, "vertices 3"], mandible: Bool[np.ndarray, " vertices"], arch: Arch) -> Teeth:
    """Teeth of parted jaws (head frame, mm); `mandible` tells the jaw of each vertex."""
    arcs, depth, inward = arch.place(vertices)
    tooth = np.zeros(len(vertices), dtype=np.int32)
    socket, resorbed = np.zeros_like(vertices), np.zeros_like(vertices)
    for row, upper in ((arch.upper, True), (arch.lower, False)):
        mine = np.flatnonzero(mandible != upper)
        place = _Place(vertices[mine, 1], arcs[mine], depth[mine])
        number = _numbers(arch, row, place, upper)
        tooth[mine] = number
        sunk, narrowed = _sunk(arch, row, place, number > 0)
        lost, narrower = _lost(arch, row, place, number > 0, sunk, upper)
        socket[mine] = narrowed[:, None] * inward[mine]
        socket[mine, 1] += sunk
        resorbed[mine] = narrower[:, None] * inward[mine]
        resorbed[mine, 1] += lost
    return Teeth(tooth, socket, resorbed)


@dataclasses.dataclass(frozen=True)
class _Place:
    """Heights (y), signed arc lengths and depths behind the buccal side of some vertices, mm."""

    heights: np.ndarray
    arcs: np.ndarray
    depth: np.ndarray


def _crown_share(arch: Arch, row: Row, place: _Place) -> np.ndarray:
    """0 at the alveolar margin, 1 at the bite."""
    margin, bite = arch.height(row.margin, place.arcs), arch.height(arch.bite, place.arcs)
    return (place.heights - margin) / (bite - margin)


def _numbers(arch: Arch, row: Row, place: _Place, upper: bool) -> np.ndarray:
    order = np.minimum(arch.order(row, place.arcs, place.heights), len(row.grooves))
    crown = (_crown_share(arch, row, place) > 0.0) & (np.abs(place.arcs) < _end(arch))
    # A crown that overhangs the other row's is a crown still; the ramus beside the last molar is not.
    crown &= np.abs(place.heights - arch.height(arch.bite, place.arcs)) < 12.0
    crown &= (place.depth > _DEPTHS_MM[0]) & (place.depth < _DEPTHS_MM[1])
    left = place.arcs > 0.0
    if upper:
        number = np.where(left, UPPER_LEFT_INCISOR - 1 + order, UPPER_RIGHT_INCISOR + 1 - order)
    else:
        number = np.where(left, LOWER_LEFT_INCISOR + 1 - order, LOWER_RIGHT_INCISOR - 1 + order)
    return np.where(crown, number, 0)


def _sunk(arch: Arch, row: Row, place: _Place, crown: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Displacements up and inward of crowns whose teeth are lost."""
    margin, front = arch.height(row.margin, place.arcs), arch.height(row.front, place.arcs)
    share = np.clip(_crown_share(arch, row, place), 0.0, 1.0)
    sunk = (1.0 - _RIM) * (margin - place.heights) + _rootward(arch, row) * _BOWL_MM * _middle(place, front) * share
    rounded = place.depth - _NARROW * (place.depth - front - _CREST_BEHIND_MM) * share
    # A crown that overhung the bone comes to lie on it.
    rounded = np.maximum(rounded, front + 0.8 * share)
    return np.where(crown, sunk, 0.0), np.where(crown, rounded - place.depth, 0.0)


def _lost(
    arch: Arch, row: Row, place: _Place, crown: np.ndarray, sunk: np.ndarray, upper: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Displacements up and inward of a ridge that lost its teeth long ago."""
    rootward = _rootward(arch, row)
    # A resorbed crest is level and smooth, whatever the margins of the teeth were.
    level = np.polynomial.Polynomial.fit(arch.arcs, row.margin, 2)
    arcs = np.minimum(np.abs(place.arcs), arch.arcs[-1])
    margin, front = arch.height(row.margin, place.arcs), arch.height(row.front, place.arcs)
    share = np.clip(_crown_share(arch, row, place), 0.0, 1.0)
    middle = _middle(place, front) * share * crown
    amount = rootward * (_LOST_MM[upper] - (_BOWL_MM + _CREST_MM) * middle) + level(arcs) - margin
    above = rootward * (place.heights + sunk - margin)
    weight = _smooth(1.0 - above / _REACH_MM[upper])
    weight *= _smooth(1.0 - (np.abs(place.arcs) - _end(arch)) / _FADE_MM)
    # From the ridge's tongue side on; beyond lies the palate, which stays.
    weight *= _smooth(1.0 - (place.depth - _DEPTHS_MM[1]) / _FADE_MM) * (place.depth > 2.0 * _DEPTHS_MM[0])
    narrower = -1.5 * _NARROW * np.clip(place.depth - front - _CREST_BEHIND_MM, -6.0, 6.0)
    return amount * weight, narrower * weight * _smooth(1.0 - above / 8.0)


def _rootward(arch: Arch, row: Row) -> float:
    """1 where roots point up, -1 where they point down."""
    return float(np.sign(row.margin.mean() - arch.bite.mean()))


def _end(arch: Arch) -> float:
    """Arc length behind which no bone stood between the rows."""
    return float(max(row.grooves[-1].mean() for row in (arch.upper, arch.lower)) + _BEHIND_LAST_MM)


def _middle(place: _Place, front: np.ndarray) -> np.ndarray:
    """1 on the middle of the ridge, 0 from its sides on."""
    across = (place.depth - front - _CREST_BEHIND_MM) / _HALF_RIDGE_MM
    return np.clip(1.0 - across**2, 0.0, 1.0) ** 2


def _smooth(share: np.ndarray) -> np.ndarray:
    """From 0 to 1 without a kink."""
    share = np.clip(share, 0.0, 1.0)
    return share * share * (3.0 - 2.0 * share)
