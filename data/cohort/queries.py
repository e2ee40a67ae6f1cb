"""Where a training case asks for signed distances: about the face, about the rest of the head, and anywhere around."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Key

from data.face_region import face_triangles
from data.prior import AnatomyPrior
from flame_jax.model import Array

PLACES = 65_536
"""Places on the head to choose from: 1.3 mm apart on the face."""
FACE_SHARE = 0.6
"""Of the places that lie on the face, which is 0.14 of the head's surface."""
NEAR_MM, FAR_MM = 2.0, 10.0
"""Standard deviations of how far off the surface queries lie: one for half of those about it, one for the others."""
ANYWHERE_SHARE = 0.2
"""Of the queries, evenly in a box around the mean head."""
MARGIN_MM = 30.0


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class QueryPlaces:
    """Places on a head's triangles, and the box around it; head frame, mm. A pytree."""

    corners: Int[Array, "*batch places 3"]
    """Vertices of each place's triangle."""
    weights: Float[Array, "*batch places 3"]
    """Of the corners."""
    low: Float[Array, "*batch 3"]
    high: Float[Array, "*batch 3"]


def query_places(prior: AnatomyPrior) -> QueryPlaces:
    """`PLACES` places on the prior's head, always the same, by area but for more on the face. Runs on the host."""
    head = prior.head_mesh()
    face = face_triangles(head, prior.landmark_points())
    chance = head.face_areas()
    for region, share in ((face, FACE_SHARE), (~face, 1.0 - FACE_SHARE)):
        chance[region] *= share / chance[region].sum()
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(head.faces), PLACES, p=chance)
    # Evenly over a triangle: Turk, "Generating random points in triangles", Graphics Gems, 1990.
    root, along = np.sqrt(rng.random(PLACES)), rng.random(PLACES)
    weights = np.stack([1.0 - root, root * (1.0 - along), root * along], axis=1)
    return QueryPlaces(
        corners=head.faces[chosen].astype(np.int32),
        weights=weights.astype(np.float32),
        low=(head.vertices.min(axis=0) - MARGIN_MM).astype(np.float32),
        high=(head.vertices.max(axis=0) + MARGIN_MM).astype(np.float32),
    )


def draw_queries(
    key: Key[jax.Array, ""], places: QueryPlaces, vertices: Float[Array, "vertices 3"], count: int
) -> Float[jax.Array, "count 3"]:
    """Query points about a head whose vertices lie here. Traceable by jax; `count` is static."""
    keys = jax.random.split(key, 3)
    anywhere = round(ANYWHERE_SHARE * count)
    about = count - anywhere
    chosen = jax.random.randint(keys[0], (about,), 0, len(places.corners))
    corners = jnp.asarray(vertices)[jnp.asarray(places.corners)[chosen]]
    surface = jnp.sum(corners * jnp.asarray(places.weights)[chosen][:, :, None], axis=1)
    sd = jnp.where(jnp.arange(about) % 2 == 0, NEAR_MM, FAR_MM)
    low, high = jnp.asarray(places.low), jnp.asarray(places.high)
    return jnp.concatenate(
        [
            surface + sd[:, None] * jax.random.normal(keys[1], (about, 3)),
            low[None] + (high - low)[None] * jax.random.uniform(keys[2], (anywhere, 3)),
        ]
    )
