"""A skull goes in, a face comes out: `s2f.load().reconstruct(vertices, faces)`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s2f.reconstruction import Face, Reconstructor, load

__all__ = ["Face", "Reconstructor", "load"]


def __getattr__(name: str) -> Any:
    """Import only when asked, so that `s2f --help` does not wait for JAX and open3d."""
    if name in __all__:
        from s2f import reconstruction

        return getattr(reconstruction, name)
    raise AttributeError(f"module 's2f' has no attribute '{name}'")
