"""Machine code from LLVM IR text: the typed border to llvmlite, which has no type stubs."""

from __future__ import annotations

import importlib
from typing import Protocol, cast


class _Engine(Protocol):
    def finalize_object(self) -> None: ...
    def get_function_address(self, name: str) -> int: ...


class _Module(Protocol):
    def verify(self) -> None: ...


class _Target(Protocol):
    def create_target_machine(self, *, cpu: str, features: str, opt: int) -> object: ...


class _TargetFactory(Protocol):
    def from_default_triple(self) -> _Target: ...


class _Features(Protocol):
    def flatten(self) -> str: ...


class _Binding(Protocol):
    Target: _TargetFactory

    def initialize_native_target(self) -> None: ...
    def initialize_native_asmprinter(self) -> None: ...
    def get_host_cpu_name(self) -> str: ...
    def get_host_cpu_features(self) -> _Features: ...
    def parse_assembly(self, llvmir: str) -> _Module: ...
    def create_mcjit_compiler(self, module: _Module, target_machine: object) -> _Engine: ...


class NativeCode:
    """A compiled module. It owns the machine code: keep it as long as an address of it is in use."""

    def __init__(self, ir: str) -> None:
        """Compile `ir` for the host, with all its vector instructions (tens of milliseconds)."""
        llvm = cast(_Binding, importlib.import_module("llvmlite.binding"))
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        # The code generator alone is enough: the optimisation pipeline takes twice its time and the interpreters of
        # this package run no faster for it.
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2
        )
        module = llvm.parse_assembly(ir)
        module.verify()
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """Return the address of the function `name`."""
        return self._engine.get_function_address(name)
