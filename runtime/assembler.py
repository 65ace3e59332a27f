"""Text form of instruction tables: one instruction per line, readable and exactly reversible.

    ; 2 x 2 window, first slice
    load  r=0:0+4 in=0 element=3
    clear r=16:0+12 words=32
    add   r=12:0+5 a=0:0+4u b=1/4:0+4s c=200:0 rzero
    step  r=12:0+2 a=13:0+6s c=200:0 b=201:0 at=-3 value=1

A word is `array/track:domain+bits` (`array/` is left out for array 0), a flag or carry cell has no bits. Words that an
opcode reads with or without a sign carry `s` or `u`. `rzero` and `czero` are the flags R_IS_ZERO and C_IS_ZERO.
Comments start with `;`. Field meanings: `docs/instruction-stream.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from imcflow.errors import ProgramError
from imcflow.runtime.isa import INSTRUCTION_FIELDS, OPERANDS, Flag, Opcode, instruction_dtype

if TYPE_CHECKING:
    from imcflow.runtime.program import ApKernel, InstructionTable, TargetSummary

_MNEMONICS = {opcode.name.lower(): opcode for opcode in Opcode}

# How immediates are called in the text, by opcode: field -> name.
_IMMEDIATE_NAMES: dict[Opcode, dict[str, str]] = {
    Opcode.LOAD: {"port": "in", "imm": "element"},
    Opcode.STORE: {"port": "out", "imm": "element"},
    Opcode.STORE_STEP: {"port": "out", "imm": "element", "imm2": "row"},
    Opcode.CLEAR: {"imm": "words"},
    Opcode.SET: {"imm": "value"},
    Opcode.STEP: {"imm": "at", "imm2": "value"},
}
_SIGN_FLAGS = {"a": Flag.A_SIGNED, "b": Flag.B_SIGNED, "r": Flag.R_SIGNED}
_ZERO_FLAGS = {"rzero": Flag.R_IS_ZERO, "czero": Flag.C_IS_ZERO}
_FIELD_LIMITS = {name: (int(np.iinfo(kind).min), int(np.iinfo(kind).max)) for name, kind in INSTRUCTION_FIELDS}
_PLACE = re.compile(r"(?:(\d{1,10})/)?(\d{1,10}):(\d{1,10})(?:\+(\d{1,3})([us]?))?")
_NUMBER = re.compile(r"-?\d{1,10}")


@dataclass(frozen=True)
class Geometry:
    """Tracks of an array and domains of a track: what turns places into cell numbers."""

    tracks: int
    domains: int

    @staticmethod
    def of(target: TargetSummary) -> Geometry:
        """Return the geometry of a target."""
        return Geometry(target.tracks, target.domains)


@dataclass(frozen=True)
class _Syntax:
    """What an opcode's line consists of."""

    words: tuple[str, ...]
    cells: tuple[str, ...]
    signed: tuple[str, ...]
    immediates: dict[str, str]
    zero_flags: tuple[str, ...]


def _syntax(opcode: Opcode) -> _Syntax:
    use = OPERANDS[opcode]
    words = tuple(name for name in ("r", "a", "b") if name in (*use.reads, *use.writes))
    return _Syntax(
        words=words,
        cells=tuple(name for name in ("c", "b") if name in use.cells),
        signed=tuple(name for name in words if use.flags & _SIGN_FLAGS[name]),
        immediates=_IMMEDIATE_NAMES.get(opcode, {}),
        zero_flags=tuple(word for word, flag in _ZERO_FLAGS.items() if use.flags & flag),
    )


_SYNTAX = {opcode: _syntax(opcode) for opcode in Opcode}


def assemble(text: str, geometry: Geometry) -> InstructionTable:
    """Translate text into an instruction table.

    Only the form is checked here; `imcflow.runtime.loader` checks what the table means.

    Args:
        text: one instruction per line.
        geometry: tracks and domains of the target.

    Raises:
        ProgramError: names the line and what is wrong with it.
    """
    rows: list[tuple[int, ...]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        code = line.partition(";")[0].split()
        if code:
            rows.append(_assemble_line(code, geometry, f"line {number}"))
    return np.array(rows, dtype=instruction_dtype())


def _assemble_line(code: list[str], geometry: Geometry, where: str) -> tuple[int, ...]:
    opcode = _MNEMONICS.get(code[0])
    if opcode is None:
        raise ProgramError(f"{where}: unknown instruction '{code[0]}'; known: {', '.join(_MNEMONICS)}")
    syntax = _SYNTAX[opcode]
    fields = dict.fromkeys((name for name, _ in INSTRUCTION_FIELDS), 0)
    fields["opcode"] = opcode
    field_of = {text: field for field, text in syntax.immediates.items()}
    missing = {*syntax.words, *syntax.cells, *field_of}
    for token in code[1:]:
        name, equals, value = token.partition("=")
        if not equals and token in syntax.zero_flags:
            fields["flags"] |= _ZERO_FLAGS[token]
            continue
        if not equals or name not in missing:
            raise ProgramError(f"{where}: '{token}' does not belong to {code[0]}, or is there twice")
        missing.remove(name)
        if name in field_of:
            _put(fields, field_of[name], _number(value, token, where), where)
        else:
            _assemble_place(fields, name, value, syntax, geometry, f"{where}: '{token}'")
    if missing:
        raise ProgramError(f"{where}: {code[0]} needs {', '.join(sorted(missing))}")
    return tuple(fields.values())


def _assemble_place(
    fields: dict[str, int], name: str, text: str, syntax: _Syntax, geometry: Geometry, where: str
) -> None:
    match = _PLACE.fullmatch(text)
    if match is None:
        raise ProgramError(f"{where}: a place is written array/track:domain+bits")
    array, track, domain, bits, sign = match.groups()
    is_word = name in syntax.words
    if (bits is not None) != is_word:
        raise ProgramError(f"{where}: {'a word needs' if is_word else 'a cell has no'} +bits")
    if bool(sign) != (name in syntax.signed):
        raise ProgramError(f"{where}: {'needs u or s' if name in syntax.signed else 'has no sign'} after its bits")
    if int(track) >= geometry.tracks or int(domain) >= geometry.domains:
        raise ProgramError(f"{where}: an array has {geometry.tracks} tracks of {geometry.domains} domains")
    cell = (int(array or 0) * geometry.tracks + int(track)) * geometry.domains + int(domain)
    _put(fields, name, cell, where)
    if is_word:
        _put(fields, f"{name}_bits", int(bits), where)
    if sign == "s":
        fields["flags"] |= _SIGN_FLAGS[name]


def _number(text: str, token: str, where: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise ProgramError(f"{where}: '{token}' needs an integer")
    return int(text)


def _put(fields: dict[str, int], field: str, value: int, where: str) -> None:
    low, high = _FIELD_LIMITS[field]
    if not low <= value <= high:
        raise ProgramError(f"{where}: {field} = {value} is outside {low} to {high}")
    fields[field] = value


def disassemble(kernel: ApKernel, target: TargetSummary) -> str:
    """Return the text of a kernel, with the regions of its source map as comments.

    Raises:
        ProgramError: an instruction has no text form because it breaks the rules of its opcode.
    """
    starts: dict[int, list[str]] = {}
    for region in kernel.regions:
        label = f"; {region.onnx_node}: {region.text}" if region.onnx_node else f"; {region.text}"
        starts.setdefault(region.start, []).append(" ".join(label.split()))
    lines: list[str] = []
    for index, line in enumerate(disassemble_rows(kernel.instructions, Geometry.of(target))):
        lines.extend(starts.get(index, ()))
        lines.append(line)
    return "".join(f"{line}\n" for line in lines)


def disassemble_rows(instructions: InstructionTable, geometry: Geometry) -> Iterator[str]:
    """Yield the line of every instruction.

    Raises:
        ProgramError: an instruction has no text form because it breaks the rules of its opcode.
    """
    names = [name for name, _ in INSTRUCTION_FIELDS]
    for index, values in enumerate(instructions.tolist()):
        fields: dict[str, int] = dict(zip(names, values, strict=True))
        if fields["opcode"] not in _SYNTAX:
            raise ProgramError(f"instruction {index}: opcode {fields['opcode']} is unknown")
        line = _disassemble_row(fields, geometry)
        if any(fields.values()):
            left = next(name for name, value in fields.items() if value)
            raise ProgramError(f"instruction {index}: {left} = {fields[left]} has no place in: {line}")
        yield line


def _disassemble_row(fields: dict[str, int], geometry: Geometry) -> str:
    """Return the line; fields that it expresses are set to 0."""
    opcode = Opcode(fields["opcode"])
    fields["opcode"] = 0
    syntax = _SYNTAX[opcode]
    parts = [f"{opcode.name.lower():<10}"]
    for name in syntax.words:
        sign = ""
        if name in syntax.signed:
            sign = "s" if fields["flags"] & _SIGN_FLAGS[name] else "u"
            fields["flags"] &= ~_SIGN_FLAGS[name]
        parts.append(f"{name}={_place(fields[name], geometry)}+{fields[f'{name}_bits']}{sign}")
        fields[name] = fields[f"{name}_bits"] = 0
    for name in syntax.cells:
        parts.append(f"{name}={_place(fields[name], geometry)}")
        fields[name] = 0
    for field, name in syntax.immediates.items():
        parts.append(f"{name}={fields[field]}")
        fields[field] = 0
    for word in syntax.zero_flags:
        if fields["flags"] & _ZERO_FLAGS[word]:
            parts.append(word)
            fields["flags"] &= ~_ZERO_FLAGS[word]
    return " ".join(parts)


def _place(cell: int, geometry: Geometry) -> str:
    track, domain = divmod(cell, geometry.domains)
    array, track = divmod(track, geometry.tracks)
    return f"{array}/{track}:{domain}" if array else f"{track}:{domain}"
