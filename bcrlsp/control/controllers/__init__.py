"""Controllers: how the prices of a period move."""

from bcrlsp.control.controllers.base import Controller, Past
from bcrlsp.control.controllers.mirror import MirrorDescent
from bcrlsp.control.controllers.mpc import ForecastLp
from bcrlsp.control.controllers.pid import Pid

__all__ = ["Controller", "ForecastLp", "MirrorDescent", "Past", "Pid"]
