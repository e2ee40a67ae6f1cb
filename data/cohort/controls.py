"""The bone points that drive a skull, and what says where they lie.

Displacements t of all controls from the mean skull meet linear conditions, one per deviation u (a depth over or under
its mean, or the residual of a placement rule):

    coordinate · t  =  target · β  −  u

What the conditions leave open, a control takes from the skin point that it lies under (from the eye, in the orbit), and
from the bones' own displacement. The conditions are then met by the least change of t:

    t  =  open (follow · β + own)  +  effect (target · β − u),      effect = Qᵀ (Q Qᵀ)⁻¹,  open = 1 − effect Q

with Q the coordinates' matrix. So depths and rules hold exactly in every skull, whatever the bones do of their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from data.cohort.placement_rules import bone_points, placement_rules, skin_points
from data.cohort.thin_skin import DepthSites, thin_sites
from data.cohort.variants import Variant
from data.landmarks import BY_ABBREVIATION, abbreviation_of
from data.prior import AnatomyPrior
from data.skull_in_head import EXTRA_DEPTHS_MM, HAIR_CAP_MM, SCALP
from fields.distance import SurfacePoints

_EXTRA_SD_MM = {"eu": 2.0, "ft": 2.0, "fe": 1.5, "vault": 1.5, "po": 2.0, "cover": 0.7, "thin": 1.0, "ec": 1.5}
"""Of depths that the table does not have, before κ; guesses of ours, as their means in `data.skull_in_head` are."""
_EXTRA_LOADING = {"eu": 0.3, "ft": 0.4, "fe": 0.2, "vault": 0.2, "po": 0.3, "cover": 0.2, "thin": 0.2, "ec": 0.2}
HAIR_SD_MM = 2.0
"""Of the hair cap: with it, bone and the scanned head's scalp are 2 to 10 mm apart. A guess of ours, a nuisance."""
_THIN = ("ec",)
"""Points of placement rules that skin covers closely: they have a depth too."""
_FOLLOWS = {"d": "oa", "ec": "oa", "mso": "oa", "mio": "oa", "al": "al", "aca": "ss"}
"""The skin point, or for the nasal spine the depth's tie, whose displacement a bone point takes where it is free."""


@dataclasses.dataclass(frozen=True)
class Controls:
    """Controls and deviations; head frame, mm. Depths come first among the deviations, in the controls' order."""

    names: tuple[str, ...]
    points: Float[np.ndarray, "controls 3"]
    """On the mean skull."""
    follow: Float[np.ndarray, "controls 3 identities"]
    """Displacement per coefficient of the head, where no condition says otherwise."""
    deviations: tuple[str, ...]
    """Names: a control's for its depth, or a rule's."""
    coordinate: Float[np.ndarray, "deviations controls 3"]
    """Q: the coordinate of the bone that each condition is about."""
    target: Float[np.ndarray, "deviations identities"]
    """What the skin makes of that coordinate, per coefficient of the head."""
    offset: Float[np.ndarray, " deviations"]
    """What it is in the mean: by how much the prior's depth exceeds the mean depth, mm; 0 for rules."""
    effect: Float[np.ndarray, "controls 3 deviations"]
    """How all controls move when one coordinate has to change by a mm."""
    mean: Float[np.ndarray, " deviations"]
    """Mean depth; 0 for residuals."""
    sd: Float[np.ndarray, " deviations"]
    """Standard deviation in the population: κ, the bones' own and the hair included."""
    loading: Float[np.ndarray, " deviations"]
    """Wanted correlation with the fullness of the face."""
    rest_correlation: Float[np.ndarray, "deviations deviations"]
    """Of what is left of the deviations when the head's tissue is known: over the surface and between the sides."""
    directions: Float[np.ndarray, "depths 3"]
    """Unit vectors from bone to skin."""
    ties: SurfacePoints
    """Skin points over the controls that have a depth, on the mean head."""

    @property
    def depths(self) -> int:
        """How many of the deviations are depths."""
        return len(self.directions)

    def open(self, displacement: Float[np.ndarray, "controls 3 columns"]) -> Float[np.ndarray, "controls 3 columns"]:
        """What the conditions leave of displacements."""
        lost = np.einsum("jcd,cdk->jk", self.coordinate, displacement)
        return displacement - np.einsum("cdj,jk->cdk", self.effect, lost)


def make_controls(prior: AnatomyPrior, variant: Variant, *, without: Sequence[str] = ()) -> Controls:
    """Controls of a prior under a variant's assumptions; those named in `without` do not drive the skull.

    Raises `InputError` where the head has no face or the skull no orbits and aperture.
    """
    bone, skin = bone_points(prior), skin_points(prior)
    sites = _driving(prior, variant, without, bone)
    depth_names, directions, ties = sites.names, sites.directions, sites.ties
    points = dict(zip(depth_names, sites.points, strict=True)) | bone
    names = list(points)
    # A control that is left out may lead another one all the same.
    every = SurfacePoints.of(prior.head_mesh(), prior.tie_faces, prior.tie_weights)
    tied = dict(zip(prior.control_names, _displacements(prior, every), strict=True))
    tied |= dict(zip(depth_names, _displacements(prior, ties), strict=True))
    skin_moves = {name: _displacements(prior, point)[0] for name, point in skin.items()}
    index = {name: number for number, name in enumerate(names)}

    rules = [rule for rule in placement_rules(prior, points) if all(name in index for name in rule.bone)]
    coordinate = np.zeros((len(depth_names) + len(rules), len(names), 3))
    target = np.zeros((len(coordinate), prior.head.shapedirs.shape[2]))
    for row, (name, direction) in enumerate(zip(depth_names, directions, strict=True)):
        coordinate[row, index[name]] = direction
        target[row] = direction @ tied[name]
    for row, rule in enumerate(rules, start=len(depth_names)):
        for name, weight in rule.bone.items():
            coordinate[row, index[name]] = weight
        target[row] = sum(weight @ skin_moves[name] for name, weight in rule.skin.items())
    matrix = coordinate.reshape(len(coordinate), -1)
    effect = np.linalg.solve(matrix @ matrix.T, matrix).T.reshape(len(names), 3, -1)

    laws = np.array(
        [_depth_law(prior, variant, name, depth) for name, depth in zip(depth_names, sites.depths, strict=True)]
    )
    places = np.concatenate([sites.points, np.reshape([rule.place for rule in rules], (-1, 3))])
    return Controls(
        names=tuple(names),
        points=np.stack(list(points.values())),
        follow=np.stack([_followed(name, tied, skin_moves) for name in names]),
        deviations=tuple(depth_names) + tuple(rule.name for rule in rules),
        coordinate=coordinate,
        target=target,
        offset=np.concatenate([sites.depths - laws[:, 0], np.zeros(len(rules))]),
        effect=effect,
        mean=np.concatenate([laws[:, 0], np.zeros(len(rules))]),
        sd=np.concatenate([laws[:, 1], [rule.sd for rule in rules]]),
        loading=np.append(laws[:, 2], np.zeros(len(rules))),
        rest_correlation=_rest_correlation(places, [""] * len(depth_names) + [rule.name for rule in rules], variant),
        directions=directions,
        ties=ties,
    )


def _driving(
    prior: AnatomyPrior, variant: Variant, without: Sequence[str], others: Mapping[str, np.ndarray]
) -> DepthSites:
    """The prior's controls that drive the skull, then those where skin is thin; `others` are controls without depth.

    The latter do not depend on what is left out, so that leaving out shows what the rest does.
    """
    left_out = [abbreviation_of(name) in variant.left_out for name in prior.control_names]
    rows = [row for row, name in enumerate(prior.control_names) if name not in without and not left_out[row]]
    ties = SurfacePoints.of(prior.head_mesh(), prior.tie_faces[rows], prior.tie_weights[rows])
    named = {name: point for name, point in others.items() if abbreviation_of(name) in _THIN}
    free = [point for name, point in others.items() if name not in named]
    thin = thin_sites(prior, np.stack([*prior.controls[~np.array(left_out)], *free]), named, variant.thin_spacing_mm)
    return DepthSites(
        tuple(prior.control_names[row] for row in rows) + thin.names,
        np.concatenate([prior.controls[rows], thin.points]),
        np.concatenate([prior.directions[rows], thin.directions]),
        np.concatenate([prior.depths[rows], thin.depths]),
        SurfacePoints.of(
            prior.head_mesh(),
            np.concatenate([ties.face_ids, thin.ties.face_ids]),
            np.concatenate([ties.barycentric, thin.ties.barycentric]),
        ),
    )


def _displacements(prior: AnatomyPrior, points: SurfacePoints) -> Float[np.ndarray, "points 3 identities"]:
    """Of points of the head's surface, per coefficient."""
    corners = prior.head.shapedirs[prior.head.faces[points.face_ids]].astype(np.float64)
    return np.einsum("pc,pcdk->pdk", points.barycentric, corners)


def _followed(name: str, tied: dict[str, np.ndarray], skin: dict[str, np.ndarray]) -> np.ndarray:
    kind = abbreviation_of(name)
    if kind not in _FOLLOWS:
        return tied[name]
    suffix = name[len(kind) :]
    leader = _FOLLOWS[kind] + suffix
    return skin[leader] if leader in skin else tied[leader]


def _depth_law(prior: AnatomyPrior, variant: Variant, name: str, depth: float) -> tuple[float, float, float]:
    """Mean, standard deviation and loading of a control's depth; `depth` is the mean skull's."""
    kind = abbreviation_of(name).rstrip("0123456789")
    tissue = variant.tissue(prior.tissue)
    if abbreviation_of(name) in BY_ABBREVIATION and abbreviation_of(name) in tissue.mean:
        kind = abbreviation_of(name)
        mean, sd, loading = tissue.mean[kind], variant.kappa * tissue.sd[kind], variant.loading[kind]
    else:
        mean = EXTRA_DEPTHS_MM.get(kind, float(depth))
        sd, loading = variant.kappa * _EXTRA_SD_MM[kind], _EXTRA_LOADING[kind]
    cap, cap_sd = (HAIR_CAP_MM, HAIR_SD_MM) if kind in SCALP else (0.0, 0.0)
    whole = float(np.sqrt(sd**2 + variant.own_depth_mm**2 + cap_sd**2))
    return mean + cap, whole, loading * sd / whole


def _rest_correlation(
    places: np.ndarray, names: Sequence[str], variant: Variant
) -> Float[np.ndarray, "deviations deviations"]:
    """Falling with distance, the mirrored one counting for the part that both sides share.

    Residuals of rules are about other things than depths and than each other: only the two sides of one go together.
    """
    folded = np.abs(places * [1.0, 0.0, 0.0]) + places * [0.0, 1.0, 1.0]

    def kernel(points: np.ndarray) -> np.ndarray:
        return np.exp(-np.linalg.norm(points[:, None] - points[None], axis=-1) / variant.residual_length_mm)

    shared = variant.left_right * kernel(folded) + (1.0 - variant.left_right) * kernel(places)
    kinds = [abbreviation_of(name) for name in names]
    return np.where([[a == b for b in kinds] for a in kinds], shared, 0.0)
