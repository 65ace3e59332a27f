"""A dataflow as lines of text and back: one line for the fabric, one per core, one per channel.

    sites 64 crossbars_per_site 16 order rows images 16 latency 1250 total 16610
    core sites 3 crossbars 1 copies 1 ticks 1 map 32x32 receives 0 steps 1 2 sends 1 name conv1
    channel tensor 0 from 0 to 1 slots 67 size 3x3 strides 1x1 pads 1x1 link 2 by rows

Cores and channels are numbered from 0 in order. Tensor numbers count the function's arguments, then the results of its
ops without constants; step numbers count these ops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imcflow.runtime.pipeline.dataflow import Channel, Core, Dataflow, Handshake, Prediction
from imcflow.runtime.pipeline.isa import CoreBody, decode_stream, encode_stream

_FABRIC = ("sites", "crossbars_per_site", "order", "images", "latency", "total")
_CORE = ("sites", "crossbars", "copies", "ticks", "map", "receives", "steps", "sends")
_CHANNEL = ("tensor", "from", "to", "slots", "size", "strides", "pads", "link", "by")
_NAME = " name "


def dataflow_lines(dataflow: Dataflow) -> list[str]:
    """Return the text of a dataflow."""
    prediction = dataflow.prediction
    lines = [
        f"sites {dataflow.sites} crossbars_per_site {dataflow.crossbars_per_site} "
        f"order {'columns' if dataflow.columns_first else 'rows'} images {prediction.images} "
        f"latency {prediction.latency_ticks} total {prediction.total_ticks}"
    ]
    for number, core in enumerate(dataflow.cores):
        body = decode_stream(core.instructions, f"core {number}")
        words = ["core"]
        words += _words("sites", core.sites)
        words += [f"crossbars {core.crossbars} copies {core.copies} ticks {core.ticks} map {body.slow}x{body.fast}"]
        words += [*_words("receives", body.receives), *_words("steps", body.steps), *_words("sends", body.sends)]
        lines.append(" ".join(words) + _NAME + core.name)
    for channel in dataflow.channels:
        size, strides, pads = (f"{a}x{b}" for a, b in (channel.size, channel.strides, channel.pads))
        lines.append(
            f"channel tensor {channel.tensor} from {channel.producer} to {channel.consumer} slots {channel.slots} "
            f"size {size} strides {strides} pads {pads} link {channel.link_ticks} "
            f"by {channel.handshake}s"
        )
    return lines


def _words(key: str, numbers: Sequence[int]) -> list[str]:
    return [key, *map(str, numbers)] if numbers else []


@dataclass(frozen=True, slots=True)
class _Line:
    """The words of a line by key."""

    text: str
    words: dict[str, list[str]]

    def numbers(self, key: str) -> tuple[int, ...]:
        try:
            return tuple(int(word) for word in self.words.get(key, []))
        except ValueError as error:
            raise ValueError(f"line '{self.text}': {key} needs integers") from error

    def number(self, key: str) -> int:
        found = self.numbers(key)
        if len(found) != 1:
            raise ValueError(f"line '{self.text}': needs one number for {key}")
        return found[0]

    def pair(self, key: str) -> tuple[int, int]:
        parts = " ".join(self.words.get(key, [])).split("x")
        if len(parts) != 2 or not all(part.isdigit() for part in parts):
            raise ValueError(f"line '{self.text}': {key} needs two numbers, such as 3x3")
        return int(parts[0]), int(parts[1])

    def choice(self, key: str, *choices: str) -> str:
        word = " ".join(self.words.get(key, []))
        if word not in choices:
            raise ValueError(f"line '{self.text}': {key} needs {' or '.join(choices)}")
        return word


def _line(text: str, words: Sequence[str], keys: Sequence[str]) -> _Line:
    found: dict[str, list[str]] = {}
    key = ""
    for word in words:
        if word in keys:
            if word in found:
                raise ValueError(f"line '{text}': {word} stands twice")
            key = word
            found[key] = []
        elif not key:
            raise ValueError(f"line '{text}': unknown word {word}")
        else:
            found[key].append(word)
    return _Line(text, found)


def dataflow_from_lines(lines: Sequence[str]) -> Dataflow:
    """Return the dataflow of `dataflow_lines`.

    Raises:
        ValueError: naming the wrong line.
    """
    if not lines:
        raise ValueError("the first line must describe the fabric")
    head = _line(lines[0], lines[0].split(), _FABRIC)
    cores: list[Core] = []
    channels: list[Channel] = []
    for text in lines[1:]:
        start, _, name = text.partition(_NAME)
        kind, *words = start.split() or [""]
        if kind == "core":
            cores.append(_core(_line(text, words, _CORE), name))
        elif kind == "channel":
            channels.append(_channel(_line(text, words, _CHANNEL)))
        else:
            raise ValueError(f"line '{text}': begins with neither core nor channel")
    return Dataflow(
        sites=head.number("sites"),
        crossbars_per_site=head.number("crossbars_per_site"),
        columns_first=head.choice("order", "rows", "columns") == "columns",
        cores=tuple(cores),
        channels=tuple(channels),
        prediction=Prediction(head.number("images"), head.number("latency"), head.number("total")),
    )


def _core(line: _Line, name: str) -> Core:
    slow, fast = line.pair("map")
    body = CoreBody(slow, fast, line.numbers("receives"), line.numbers("steps"), line.numbers("sends"))
    fields = (line.number("crossbars"), line.number("copies"), line.number("ticks"))
    try:
        return Core(name, line.numbers("sites"), *fields, encode_stream(body))
    except OverflowError as error:
        raise ValueError(f"line '{line.text}': a number is out of range") from error


def _channel(line: _Line) -> Channel:
    return Channel(
        tensor=line.number("tensor"),
        producer=line.number("from"),
        consumer=line.number("to"),
        slots=line.number("slots"),
        size=line.pair("size"),
        strides=line.pair("strides"),
        pads=line.pair("pads"),
        handshake=Handshake(line.choice("by", *(f"{handshake}s" for handshake in Handshake))[:-1]),
        link_ticks=line.number("link"),
    )
