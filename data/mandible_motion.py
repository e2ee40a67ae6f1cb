"""The mandible's rigid motion as the mouth opens, a smooth function of one weight.

Found from points whose displacement is linear in the weight, as a blend shape's are: the lower teeth. At weight 1 the
motion is their least-squares rigid one. In between they shrink towards their middle, as chords lie inside of an arc;
the rotation nearest to them (orthogonal Procrustes; Umeyama 1991) is then, exactly for points in a plane across the
axis,

    bone(w) = R(axis, turn(w)) (x - pivot) + pivot + w shift,    tan turn(w) = w sin(angle) / (1 - w (1 - cos(angle))).

ICT-FaceKit's lower teeth turn by 25.3 degrees and keep within 0.76 mm of it, 0.39 mm on average, at all weights
(`tests/data/test_jaw_opening.py` holds the same to bounds).
"""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from data.warp import similarity
from fields.mesh import transform_points
from flame_jax.model import Array
from flame_jax.rotations import axis_angle_to_matrix


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class MandibleMotion:
    """How a mandible opens; lengths in mm, in the frame in which it was found. A pytree."""

    axis: Float[Array, "*batch 3"]
    """Unit vector about which the mandible turns; the chin goes down and back."""
    angle: Float[Array, "*batch"]
    """Turn at weight 1, radians."""
    pivot: Float[Array, "*batch 3"]
    """Middle of the lower teeth, jaw closed."""
    shift: Float[Array, "*batch 3"]
    """Displacement of the pivot at weight 1."""

    @classmethod
    def of_points(
        cls, closed: Float[np.ndarray, "points 3"], displacement: Float[np.ndarray, "points 3"]
    ) -> MandibleMotion:
        """The motion that follows points which go to `closed + weight * displacement`."""
        rigid = similarity(closed, closed + displacement, scaled=False)
        vector = Rotation.from_matrix(rigid[:3, :3]).as_rotvec()
        angle = float(np.linalg.norm(vector))
        return cls(vector / max(angle, 1e-12), np.asarray(angle), closed.mean(axis=0), displacement.mean(axis=0))

    def at(self, weight: Float[Array, ""] | float) -> Float[jax.Array, "4 4"]:
        """Rigid motion from the closed place. Traceable; smooth in the weight, which is 0 to 1."""
        angle, axis, pivot = jnp.asarray(self.angle), jnp.asarray(self.axis), jnp.asarray(self.pivot)
        turn = jnp.arctan2(weight * jnp.sin(angle), 1.0 - weight * (1.0 - jnp.cos(angle)))
        rotation = axis_angle_to_matrix(turn * axis)
        moved = pivot + weight * jnp.asarray(self.shift) - jnp.sum(rotation * pivot[None, :], axis=-1)
        top = jnp.concatenate([rotation, moved[:, None]], axis=1)
        return jnp.concatenate([top, jnp.array([[0.0, 0.0, 0.0, 1.0]], top.dtype)], axis=0)

    def moved(self, transform: Float[np.ndarray, "4 4"]) -> MandibleMotion:
        """The same motion in another frame, of another size: after a similarity transform."""
        linear = transform[:3, :3]
        rotation = linear / np.cbrt(np.linalg.det(linear))
        return MandibleMotion(
            rotation @ self.axis, self.angle, transform_points(transform, np.asarray(self.pivot)), linear @ self.shift
        )

    def midsagittal(self) -> MandibleMotion:
        """The same motion in the plane x = 0, which is the midsagittal one of the head frame."""
        axis, pivot, shift = (np.array(part, np.float64) for part in (self.axis, self.pivot, self.shift))
        pivot[0] = shift[0] = 0.0
        return MandibleMotion(np.array([np.sign(axis[0]), 0.0, 0.0]), self.angle, pivot, shift)

    def in_single_precision(self) -> MandibleMotion:
        """The same motion with arrays of float32, as JAX reckons."""
        axis, angle, pivot, shift = (
            np.asarray(part, np.float32) for part in (self.axis, self.angle, self.pivot, self.shift)
        )
        return MandibleMotion(axis, angle, pivot, shift)

    def hinge(self) -> Float[np.ndarray, "3"]:
        """The point nearest to the pivot that stays where it is at weight 1, but for any sliding along the axis."""
        axis, angle = np.asarray(self.axis, np.float64), float(self.angle)
        across = np.asarray(self.shift, np.float64)
        across = across - axis * (axis @ across)
        return np.asarray(self.pivot, np.float64) + 0.5 * (across + np.cross(axis, across) / np.tan(0.5 * angle))
