"""Head models: a template mesh and what may be added to it, as FLAME defines it.

Li, Bolkart, Black, Li, Romero: "Learning a model of facial shape and expression from 4D scans", ACM Transactions on
Graphics 36(6), 2017. Before posing, the vertices are linear in the coefficients (its equations 1-4):

    v(beta, psi) = v_template + shapedirs . beta + exprdirs . psi

Axes are FLAME's: x = subject's left, y up, z anterior. Coefficients have unit variance and no correlation, so the
model's own prior is a standard normal.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import jax
import numpy as np
from jaxtyping import Float, Int

from flame_jax.errors import InputError
from flame_jax.model_parts import check_parts

_MILLIMETRE = 1e-3

if TYPE_CHECKING:
    Array = np.ndarray | jax.Array
else:
    # Also what has only a shape and a type: programs are compiled from such, without any arrays.
    Array = np.ndarray | jax.Array | jax.ShapeDtypeStruct


@dataclasses.dataclass(frozen=True)
class HeadModel:
    """A head model on the host; what its file does not have is None. Immutable, arrays included.

    Raises:
        ValueError: Parts that do not fit each other, or numbers that are not finite.
    """

    v_template: Float[np.ndarray, "vertices 3"]
    """Mean head."""
    shapedirs: Float[np.ndarray, "vertices 3 identities"]
    """Displacement of the vertices per unit of each identity coefficient."""
    faces: Int[np.ndarray, "faces 3"]
    """Triangles, counter-clockwise seen from outside."""
    metres_per_unit: float = 1.0
    """The unit of all lengths: 1 for metres (FLAME's files), 0.001 for millimetres."""
    exprdirs: Float[np.ndarray, "vertices 3 expressions"] | None = None
    """Displacement per unit of each expression coefficient."""
    posedirs: Float[np.ndarray, "vertices 3 correctives"] | None = None
    """Displacement per element of the joints' rotation matrices minus identity, root joint left out."""
    j_regressor: Float[np.ndarray, "joints vertices"] | None = None
    """Joint positions from the shaped vertices."""
    kintree_parents: Int[np.ndarray, " joints"] | None = None
    """Parent of each joint, before it in order; -1 for the root."""
    lbs_weights: Float[np.ndarray, "vertices joints"] | None = None
    """How much each vertex follows each joint."""
    lmk_face_idx: Int[np.ndarray, " landmarks"] | None = None
    """Triangle of each landmark."""
    lmk_b_coords: Float[np.ndarray, "landmarks 3"] | None = None
    """Barycentric coordinates of each landmark in its triangle."""
    landmark_indices: Int[np.ndarray, " landmarks"] | None = None
    """Which point of its detector each landmark is, for example of MediaPipe's 468."""
    expression_names: tuple[str, ...] = ()
    """What each expression is called; empty when they have no names, as FLAME's."""
    materials: Int[np.ndarray, " faces"] | None = None
    """Material of each triangle, for example skin or teeth, as a number in `material_names`."""
    material_names: tuple[str, ...] = ()
    """What each material is called."""
    uv: Float[np.ndarray, "uvs 2"] | None = None
    """Texture coordinates."""
    uv_faces: Int[np.ndarray, "faces 3"] | None = None
    """Texture coordinate of each triangle's corners."""
    name: str = ""
    """What to call the model."""
    credit: str = ""
    """Source and licence, to travel with everything made from the model."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                view = value.view()
                view.flags.writeable = False
                object.__setattr__(self, field.name, view)
        check_parts(vars(self))

    def in_millimetres(self) -> HeadModel:
        """The same model with all lengths in millimetres."""
        factor = self.metres_per_unit / _MILLIMETRE
        scaled = {
            key: (getattr(self, key) * factor).astype(getattr(self, key).dtype)
            for key in ("v_template", "shapedirs", "exprdirs", "posedirs")
            if getattr(self, key) is not None
        }
        return dataclasses.replace(self, metres_per_unit=_MILLIMETRE, **scaled)

    def with_identities(self, count: int) -> HeadModel:
        """The model with its first `count` identity components only.

        Raises:
            InputError: It has fewer.
        """
        available = self.shapedirs.shape[2]
        if not 0 <= count <= available:
            raise InputError(
                f"head model {self.name!r} has {available} identity components, not {count}; ask for those it has"
            )
        return dataclasses.replace(self, shapedirs=self.shapedirs[:, :, :count])


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class IdentityBasis:
    """Points that are linear in the identity coefficients, such as points on a head's surface.

    A pytree, so it is passed to a jitted function as an argument instead of being baked into it.
    """

    mean: Float[Array, "points 3"]
    """Positions at coefficients zero."""
    components: Float[Array, "points 3 identities"]
    """Displacement per unit of each coefficient."""


def surface_basis(
    model: HeadModel, face_ids: Int[np.ndarray, " points"], barycentric: Float[np.ndarray, "points 3"]
) -> IdentityBasis:
    """Points of a model's surface, given by triangle and barycentric coordinates, as points linear in the coefficients.

    Args:
        model: The head model; the result is in its unit.
        face_ids: Triangle of each point.
        barycentric: Weights of the triangle's corners.
    """
    corners = model.faces[face_ids]
    weights = barycentric.astype(model.v_template.dtype)
    return IdentityBasis(
        np.einsum("pc,pcd->pd", weights, model.v_template[corners]),
        np.einsum("pc,pcdk->pdk", weights, model.shapedirs[corners]),
    )
