"""Where the shipped files are."""

from __future__ import annotations

from pathlib import Path

PRIOR = Path(__file__).parent / "assets" / "prior.npz"
"""The anatomy prior."""
