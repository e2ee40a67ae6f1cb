"""The parameters of a head, by FLAME's names, and their place in a solver's vector."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from flame_jax.flame import JOINTS, Flame, Posed
from flame_jax.model import Array
from flame_jax.rotations import matrix_to_axis_angle

GROUPS = ("betas", "expression", *JOINTS, "transl", "log_scale")
"""The groups of parameters, in the order of a solver's vector."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Parameters:
    """Everything that makes a head of a model, any leading batch dimensions. Lengths in the model's unit."""

    betas: Float[Array, "*batch identities"]
    """Identity coefficients."""
    expression: Float[Array, "*batch expressions"]
    """Expression coefficients."""
    global_orient: Float[Array, "*batch 3"]
    """Turn of the head about the root joint: axis-angle in radians, as all rotations here."""
    neck_pose: Float[Array, "*batch 3"]
    """Turn about the neck; without meaning for a model without joints, as all joints but the root."""
    jaw_pose: Float[Array, "*batch 3"]
    """Turn of the jaw."""
    leye_pose: Float[Array, "*batch 3"]
    """Turn of the left eyeball."""
    reye_pose: Float[Array, "*batch 3"]
    """Turn of the right eyeball."""
    transl: Float[Array, "*batch 3"]
    """Translation, after scaling."""
    log_scale: Float[Array, "*batch 1"]
    """Logarithm of the factor on all lengths, about the model's origin; zero in FLAME itself."""

    @classmethod
    def neutral(cls, flame: Flame) -> Parameters:
        """The mean head as it stands in the file."""
        dtype = jnp.asarray(flame.v_template).dtype
        widths = dict.fromkeys(GROUPS, 3) | {
            "betas": flame.shapedirs.shape[0],
            "expression": flame.exprdirs.shape[0],
            "log_scale": 1,
        }
        return cls(**{group: jnp.zeros(width, dtype) for group, width in widths.items()})

    def placed(self, flame: Flame, T_target_model: Float[Array, "4 4"]) -> Parameters:
        """The same head, neutral until now in pose and place, moved by a similarity transform of the model's axes."""
        linear, shift = jnp.asarray(T_target_model)[:3, :3], jnp.asarray(T_target_model)[:3, 3]
        scale = jnp.cbrt(jnp.linalg.det(linear))
        dtype = self.transl.dtype
        turned = dataclasses.replace(
            self,
            global_orient=matrix_to_axis_angle(linear / scale).astype(dtype),
            log_scale=jnp.log(scale)[None].astype(dtype),
        )
        # FLAME turns about its root joint, the transform about the origin.
        root = self.posed(bones(flame)).joints[0]
        centre = turned.posed(bones(flame)).joints[0]
        return dataclasses.replace(turned, transl=(linear @ root + shift).astype(dtype) - centre)

    def posed(self, flame: Flame) -> Posed:
        """The head that these parameters make."""
        has = {group: getattr(self, group) for group in available_groups(flame)}
        scale = jnp.exp(has.pop("log_scale"))[..., None, None]
        transl = has.pop("transl")
        posed = flame.shaped(has.pop("betas")).posed(**has)
        transforms = posed.transforms * scale
        transforms = transforms.at[..., 3].add(jnp.broadcast_to(transl[..., None, :], transforms.shape[:-1]))
        return dataclasses.replace(posed, transforms=transforms)


def available_groups(flame: Flame) -> tuple[str, ...]:
    """The groups that change something in a model: no expression and no joints but the root where it has none."""
    missing = set(JOINTS[len(flame.parents) :])
    missing |= {"expression"} if flame.exprdirs.shape[0] == 0 else set()
    return tuple(group for group in GROUPS if group not in missing)


def bones(flame: Flame) -> Flame:
    """The model without its vertices, for the joints alone."""
    return dataclasses.replace(
        flame,
        v_template=flame.v_template[:, :0],
        shapedirs=flame.shapedirs[:, :0],
        exprdirs=flame.exprdirs[:, :0],
        posedirs=flame.posedirs[:, :0],
        lbs_weights=flame.lbs_weights[:, :0],
        faces=flame.faces[:0],
        vertex_ids=flame.vertex_ids[:0],
    )


@dataclasses.dataclass(frozen=True)
class Layout:
    """Which groups of parameters are free, and where each lies in the vector of free parameters."""

    slices: dict[str, slice]
    """By group."""
    size: int
    """Length of the vector."""

    @classmethod
    def of(cls, parameters: Parameters, free: tuple[str, ...]) -> Layout:
        """Free groups in the order of `GROUPS`."""
        slices, start = {}, 0
        for group in GROUPS:
            if group in free:
                width = getattr(parameters, group).shape[-1]
                slices[group] = slice(start, start + width)
                start += width
        return cls(slices, start)

    def mask(self, free: tuple[str, ...]) -> Bool[np.ndarray, " free"]:
        """Which parameters belong to some groups."""
        return np.concatenate([np.full(part.stop - part.start, group in free) for group, part in self.slices.items()])

    def vector(self, parameters: Parameters) -> Float[jax.Array, "*batch free"]:
        """The free parameters."""
        return jnp.concatenate([jnp.asarray(getattr(parameters, group)) for group in self.slices], axis=-1)

    def parameters(self, vector: Float[Array, "*batch free"], fixed: Parameters) -> Parameters:
        """All parameters: the free ones of a vector, the others as they are in `fixed`."""
        return dataclasses.replace(fixed, **{group: vector[..., part] for group, part in self.slices.items()})


def similarity(
    source: Float[Array, "points 3"], target: Float[Array, "points 3"], *, scaled: bool = False
) -> Float[np.ndarray, "4 4"]:
    """The rigid motion, or similarity, that takes points closest to others, in the sum of squares.

    Umeyama, "Least-squares estimation of transformation parameters between two point patterns", IEEE TPAMI 13(4), 1991.
    """
    source, target = np.asarray(source, float), np.asarray(target, float)
    from_centre, to_centre = source - source.mean(axis=0), target - target.mean(axis=0)
    left, values, right = np.linalg.svd(to_centre.T @ from_centre)
    signs = np.array([1.0, 1.0, np.linalg.det(left @ right)])
    linear = (left * signs) @ right
    if scaled:
        linear = linear * float((values * signs).sum() / (from_centre**2).sum())
    transform = np.eye(4)
    transform[:3, :3] = linear
    transform[:3, 3] = target.mean(axis=0) - linear @ source.mean(axis=0)
    return transform
