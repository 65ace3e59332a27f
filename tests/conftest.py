"""Fixtures that every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Trained networks and labelled inputs, which lie beside the checkout because of their size and licences."""
    directory = REPOSITORY.parent / "shared" / "models"
    if not directory.is_dir():
        pytest.skip(f"needs the trained networks of {directory.parent.name}/{directory.name} beside the checkout")
    return directory


# Generated networks are the same in every run; `HYPOTHESIS_PROFILE=explore` looks for new ones.
settings.register_profile(
    "default", deadline=None, max_examples=50, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
