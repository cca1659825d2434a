"""Hyper-parameters of a method as one frozen dataclass: checked where they enter, JSON where they are kept."""

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from inspect import formatannotation
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from fairseq_see.errors import InfeasibleRatio, SeeError

# A planned ratio is never below the one asked for, and at most this much above it.
TOLERANCE = 1.03

C = TypeVar("C", bound="MethodConfig")


def option(
    default: Any = None,
    help: str = "",
    *,
    choices: Iterable[str] = (),
    least: float = -math.inf,
    most: float = math.inf,
    planned: bool = False,
) -> Any:
    """Declare a hyper-parameter.

    Args:
        default: its value where none is given.
        help: what it is, with its unit; shown by ``--help`` and in the reference.
        choices: the strings it may be.
        least: the smallest number it may be.
        most: the largest.
        planned: whether a ratio decides it: it must then be given where there is no ratio.
    """
    limits = {"choices": tuple(choices), "least": least, "most": most}
    return field(default=default, metadata={"help": help, "planned": planned, **limits})


@dataclass(frozen=True, kw_only=True)
class MethodConfig:
    """Hyper-parameters of one method; a method without any uses this class itself.

    Raises:
        SeeError: a value of another type, not finite, out of range or not a choice; the message names the field.
    """

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for each in fields(self):
            value = _convert(each.name, getattr(self, each.name), hints[each.name], each.metadata)
            object.__setattr__(self, each.name, value)

    @classmethod
    def from_options(cls: type[C], method: str, options: Mapping[str, Any]) -> C:
        """The config with these values by field; None stands for a default, ``method`` is for the message.

        SeeError if there is no such field, or a value is impossible.
        """
        names = [each.name for each in fields(cls)]
        if unknown := sorted(options.keys() - set(names)):
            takes = ", ".join(names) or "none"
            raise SeeError(f"method {method!r} takes no option {unknown[0]!r} (its options: {takes})")
        return cls(**{name: value for name, value in options.items() if value is not None})

    def to_json(self) -> dict[str, Any]:
        """JSON values by field."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def list_unplanned(self) -> list[str]:
        """Fields that a ratio would decide and that have no value."""
        return [each.name for each in fields(self) if each.metadata["planned"] and getattr(self, each.name) is None]


def parse_options(text: str | Mapping[str, Any] | None) -> dict[str, Any]:
    """Read ``--see-args``: ``layernorm=false,vectors=[9,4.5]``, or a mapping as YAML has it; SeeError if neither."""
    if not isinstance(text, str):
        return dict(text or {})
    options = {}
    for part in filter(None, re.split(r",(?![^\[]*\])", text)):
        name, found, value = part.partition("=")
        if not found or not name.strip():
            raise SeeError(f"--see-args {text}: {part!r} is not written NAME=VALUE")
        try:
            options[name.strip()] = json.loads(value)
        except ValueError:
            options[name.strip()] = value.strip()
    return options


def describe_options(config: type[MethodConfig]) -> list[tuple[str, str, str, str]]:
    """Name, type, default and help of each hyper-parameter, for ``--help`` and the reference."""
    return [
        (
            each.name,
            each.type if isinstance(each.type, str) else formatannotation(each.type),
            "from the ratio" if each.metadata["planned"] else repr(each.default),
            help,
        )
        for each in fields(config)
        if (help := each.metadata["help"])
    ]


def meets(reached: float, ratio: float) -> bool:
    """Whether a ratio is near enough to the one asked for: not below it, and within TOLERANCE above."""
    rounding = 1e-9
    return ratio * (1 - rounding) <= reached <= ratio * TOLERANCE


def check_ratio(method: str, ratio: float, reached: Collection[float], advice: str = "") -> None:
    """Raise InfeasibleRatio, which names the nearest, unless one of the ratios that can be ``reached`` meets this."""
    if not any(meets(value, ratio) for value in reached):
        nearest = min(reached, key=lambda value: abs(math.log(value / ratio)))
        problem = f"{method!r} cannot compress {ratio:g}x here; nearest ratio: {nearest:.4g}x{advice}"
        raise InfeasibleRatio(problem, nearest)


def _convert(name: str, value: Any, hint: Any, limits: Mapping[str, Any]) -> Any:
    """``value`` as the type that ``hint`` names."""
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    for kind in kinds:
        if parts := get_args(kind):
            if isinstance(value, (tuple, list)) and len(value) == len(parts) and all(map(_fits, value, parts)):
                return tuple(part(_check_bounds(name, each, limits)) for each, part in zip(value, parts, strict=True))
        elif _fits(value, kind):
            if kind in (int, float):
                return kind(_check_bounds(name, value, limits))
            if kind is not str or value in (limits["choices"] or [value]):
                return value
    wanted = " or ".join(limits["choices"] or map(_name_type, kinds))
    raise SeeError(f"{name} is {value!r}, but must be {wanted}")


def _fits(value: Any, kind: type) -> bool:
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)


def _check_bounds(name: str, value: float, limits: Mapping[str, Any]) -> float:
    least, most = limits["least"], limits["most"]
    if not math.isfinite(value) or not least <= value <= most:
        bounds = [f"at least {least:g}"] * (least > -math.inf) + [f"at most {most:g}"] * (most < math.inf)
        raise SeeError(f"{name} is {value}, but must be {' and '.join(bounds) or 'finite'}")
    return value


def _name_type(kind: Any) -> str:
    if parts := get_args(kind):
        return f"[{', '.join(map(_name_type, parts))}]"
    return {bool: "true or false", int: "an integer", float: "a number", str: "text", type(None): "none"}[kind]
