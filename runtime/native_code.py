"""Machine code from LLVM IR text or from objects: the typed border to llvmlite, which has no type stubs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from typing import Protocol, cast

from imcflow.runtime import code_files

SUFFIX = ".kernel"


class _Engine(Protocol):
    def add_object_file(self, object_file: object) -> None: ...
    def finalize_object(self) -> None: ...
    def get_function_address(self, name: str) -> int: ...


class _Module(Protocol):
    def verify(self) -> None: ...


class _Machine(Protocol):
    def emit_object(self, module: _Module) -> bytes: ...


class _Target(Protocol):
    def create_target_machine(self, *, cpu: str, features: str, opt: int) -> _Machine: ...


class _TargetFactory(Protocol):
    def from_default_triple(self) -> _Target: ...


class _Features(Protocol):
    def flatten(self) -> str: ...


class _Section(Protocol):
    def name(self) -> bytes | None: ...
    def data(self) -> bytes: ...


class _ObjectFile(Protocol):
    def sections(self) -> Iterable[_Section]: ...


class _ObjectFactory(Protocol):
    def from_data(self, data: bytes) -> _ObjectFile: ...


class _Binding(Protocol):
    Target: _TargetFactory
    ObjectFileRef: _ObjectFactory

    def initialize_native_target(self) -> None: ...
    def initialize_native_asmprinter(self) -> None: ...
    def get_host_cpu_name(self) -> str: ...
    def get_host_cpu_features(self) -> _Features: ...
    def parse_assembly(self, llvmir: str) -> _Module: ...
    def create_mcjit_compiler(self, module: _Module, target_machine: _Machine) -> _Engine: ...


@cache
def _binding() -> _Binding:
    llvm = cast(_Binding, importlib.import_module("llvmlite.binding"))
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


def host() -> tuple[str, str]:
    """Return LLVM's name of the processor and the list of its features."""
    llvm = _binding()
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def llvmlite_version() -> str:
    """Return the version of llvmlite, which names that of LLVM."""
    return str(importlib.import_module("llvmlite").__version__)


def _machine() -> _Machine:
    cpu, features = host()
    # The code generator alone is enough: the optimisation pipeline takes twice its time and the interpreters of
    # this package run no faster for it.
    return _binding().Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=2)


class NativeCode:
    """A compiled module. It owns the machine code: keep it as long as an address of it is in use."""

    def __init__(self, *objects: bytes) -> None:
        """Link object files.

        Args:
            objects: what they name and none defines has to be a function of the process, such as `malloc`: otherwise
                LLVM ends the process.
        """
        llvm = _binding()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
        for data in objects:
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(data))
        self._engine.finalize_object()

    @classmethod
    def of(cls, ir: str) -> NativeCode:
        """Compile a module for the host, with all its vector instructions, or load what was compiled before.

        Compiling takes tens of milliseconds, sometimes hundreds; machine code is kept beside this file, or in the
        user's cache.
        """
        key = sha256("\0".join((*host(), llvmlite_version(), sys.platform, ir)).encode()).hexdigest()
        name = f"kernel-{key[:32]}{SUFFIX}"
        code = code_files.load(__file__, name, key)
        if code is None:
            code = object_code(ir)
            code_files.save(__file__, name, key, code)
        return cls(code)

    def address(self, name: str) -> int:
        """Return the address of the function `name`."""
        return self._engine.get_function_address(name)


def object_code(ir: str) -> bytes:
    """Compile a module for the host into an object file."""
    module = _binding().parse_assembly(ir)
    module.verify()
    return _machine().emit_object(module)


def sections_of(data: bytes) -> dict[str, bytes]:
    """Return the sections of an object file by name; of several with one name, the last."""
    found: dict[str, bytes] = {}
    for section in _binding().ObjectFileRef.from_data(data).sections():
        name = section.name()
        if name is not None:
            found[name.decode()] = section.data()
    return found
