"""What gets installed: one package, every module and data file once, nothing at the top level of the environment."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = {"src/imcflow": "", "imc_dialect": "dialect/"} | {
    name: f"{name}/" for name in ("passes", "lowering", "runtime", "targets")
}


@pytest.fixture(scope="module")
def wheel_contents(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_holds_only_the_package(wheel_contents: list[str]):
    assert {name.split("/")[0].split("-")[0] for name in wheel_contents} == {"imcflow"}


def test_every_file_is_in_the_wheel_once(wheel_contents: list[str]):
    tracked = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    if tracked.returncode != 0:
        pytest.skip("not a git checkout: nothing to compare the wheel with")
    links = {f"src/imcflow/{name.removesuffix('/')}" for name in FOLDERS.values() if name}
    expected = [
        f"imcflow/{inside}{name.removeprefix(f'{folder}/')}"
        for folder, inside in FOLDERS.items()
        for name in tracked.stdout.splitlines()
        if name.startswith(f"{folder}/") and name not in links and (REPOSITORY / name).exists()
    ]
    packaged = [name for name in wheel_contents if ".dist-info/" not in name]
    assert len(packaged) == len(set(packaged))
    assert set(expected) - set(packaged) == set()


@pytest.mark.parametrize("name", ["data/digits_cnn.onnx", "data/digits_test.npz", "data/README.md", "py.typed"])
def test_data_files_are_in_the_wheel(name: str, wheel_contents: list[str]):
    assert f"imcflow/{name}" in wheel_contents
