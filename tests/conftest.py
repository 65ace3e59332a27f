"""Fixtures that every test may use."""

from __future__ import annotations

from pathlib import Path

import pytest

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
