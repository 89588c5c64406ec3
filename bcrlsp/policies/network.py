"""The network of a policy, described by numbers, and its forward pass in NumPy.

A multilayer perceptron with ReLU: clipped and standardised states (n, d) -> hidden layers -> raw
outputs, of which each head reads its own columns. Training builds the same network from the same
description.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bcrlsp.errors import ConfigError
from bcrlsp.policies.heads import HEADS

FloatArray = NDArray[np.float32]

# Rows of one forward pass: its activations stay in the processor's cache.
_ROWS = 16_384

WIDEST = 1e38
"""Bounds of an input are never wider: the difference of two such numbers is still float32."""


_FAR = 1e4


def far_bounds(mean: FloatArray, std: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Low and high, float32 (d,), of inputs without narrower ones: 10,000 deviations away."""
    reach = _FAR * std.astype(np.float64)
    low, high = (np.clip(mean + sign * reach, -WIDEST, WIDEST) for sign in (-1, 1))
    return low.astype(np.float32), high.astype(np.float32)


class HeadSpec(BaseModel):
    """One head: what it is called, how it reads its raw outputs, and over which levels."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = Field(min_length=1, description="what the head estimates: q, cost, behaviour, v")
    kind: str = Field("plain", description="an entry of the registry of heads")
    amounts: tuple[float, ...] = Field(
        min_length=1, description="face value of each level that it tells of"
    )
    members: int = Field(1, ge=1, description="heads of this kind whose mean is the value")
    pessimism: float = Field(
        0.0, ge=0, description="standard deviations over the members taken off their mean"
    )

    @model_validator(mode="after")
    def _known(self) -> "HeadSpec":
        try:
            HEADS.get(self.kind)
        except ConfigError as mistake:
            raise ValueError(str(mistake)) from None
        return self

    @cached_property
    def width(self) -> int:
        """Raw outputs that the head takes, over all members."""
        return self.members * HEADS.get(self.kind).width(self.amounts)

    def read_members(self, raw: Any, xp: Any) -> Any:
        """Raw outputs (n, width) to the values of each member, (n, members, a)."""
        apart = raw.reshape(raw.shape[0], self.members, self.width // self.members)
        return HEADS.get(self.kind).read(apart, self.amounts, xp)

    def read(self, raw: Any, xp: Any) -> Any:
        """Raw outputs (n, width) to values (n, a): the members' mean less their spread's share.

        The spread is the root of the mean squared difference from the mean (divisor: members).
        """
        values = self.read_members(raw, xp)
        mean = xp.mean(values, axis=1)
        if self.pessimism == 0:
            return mean
        spread = xp.sqrt(xp.mean((values - mean[:, None]) ** 2, axis=1))
        return mean - self.pessimism * spread


class NetworkSpec(BaseModel):
    """Shape of the network: `inputs` features, `hidden` widths, heads side by side at the end."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    inputs: int = Field(ge=1, description="width of a state")
    clip: tuple[tuple[float, float], ...] | None = Field(
        None,
        description="lowest and highest number of each input, beyond which it is read as the "
        "nearer one; null: 10,000 standard deviations from the mean",
    )
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        description="widths of the hidden layers, in order"
    )
    heads: tuple[HeadSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_differ(self) -> "NetworkSpec":
        names = [head.name for head in self.heads]
        if len(set(names)) < len(names):
            raise ValueError(f"two heads of one name: {', '.join(names)}")
        return self

    @model_validator(mode="after")
    def _bounded(self) -> "NetworkSpec":
        if self.clip is not None:
            if len(self.clip) != self.inputs:
                raise ValueError(f"{len(self.clip)} bounds for {self.inputs} inputs")
            if not all(-WIDEST <= low <= high <= WIDEST for low, high in self.clip):
                raise ValueError("a bound of clip is not a number, or low is above high")
        return self

    def bounds(self, mean: FloatArray, std: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Lowest and highest number of each input, float32 (d,); mean, std: of the weights."""
        if self.clip is None:
            return far_bounds(mean, std)
        low, high = np.array(self.clip, np.float32).reshape(-1, 2).T
        return np.ascontiguousarray(low), np.ascontiguousarray(high)

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths from the inputs to the raw outputs of all heads."""
        return (self.inputs, *self.hidden, sum(head.width for head in self.heads))

    @cached_property
    def columns(self) -> dict[str, slice]:
        """Columns of the raw outputs that belong to each head."""
        places: dict[str, slice] = {}
        start = 0
        for head in self.heads:
            places[head.name] = slice(start, start + head.width)
            start += head.width
        return places

    def head(self, name: str) -> HeadSpec:
        """The head called `name`; KeyError when there is none."""
        return {head.name: head for head in self.heads}[name]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array of weights; a layer's matrix is (outputs, inputs)."""
        shapes: dict[str, tuple[int, ...]] = {"mean": (self.inputs,), "std": (self.inputs,)}
        for layer, (inputs, outputs) in enumerate(zip(self.widths, self.widths[1:], strict=False)):
            shapes[f"layers.{layer}.weight"] = (outputs, inputs)
            shapes[f"layers.{layer}.bias"] = (outputs,)
        return shapes


class Network:
    """The forward pass in NumPy.

    spec: the shape.
    weights: the arrays of `spec.shapes()`, float32.
    """

    def __init__(self, spec: NetworkSpec, weights: Mapping[str, FloatArray]) -> None:
        self.spec = spec
        self.weights = {name: np.asarray(weights[name], np.float32) for name in spec.shapes()}
        self._bounds = spec.bounds(self.weights["mean"], self.weights["std"])
        self._layers = [
            (self.weights[f"layers.{i}.weight"].T, self.weights[f"layers.{i}.bias"])
            for i in range(len(spec.widths) - 1)
        ]

    def heads(self, states: FloatArray, names: tuple[str, ...]) -> list[FloatArray]:
        """Values of the heads called `names`: one array (n, a of the head), float32, each.

        states: array (n, d) float32, as the features are (not standardised).
        """
        spec = self.spec
        found = [np.empty((len(states), len(spec.head(n).amounts)), np.float32) for n in names]
        for start in range(0, len(states), _ROWS):
            # An overflow is the caller's to tell: the values are then not finite.
            with np.errstate(over="ignore", invalid="ignore"):
                raw = self._raw(states[start : start + _ROWS])
            for name, values in zip(names, found, strict=True):
                part = spec.head(name).read(raw[:, spec.columns[name]], np)
                values[start : start + _ROWS] = part
        return found

    def _raw(self, states: FloatArray) -> FloatArray:
        hidden: FloatArray = np.clip(states, *self._bounds)
        hidden -= self.weights["mean"]
        hidden /= self.weights["std"]
        for matrix, bias in self._layers[:-1]:
            hidden = hidden @ matrix
            hidden += bias
            np.maximum(hidden, 0, out=hidden)
        matrix, bias = self._layers[-1]
        return np.asarray(hidden @ matrix + bias, np.float32)
