"""The control loop on Spark Structured Streaming."""

from bcrlsp.control.stream.settings import ControlSettings, KafkaSettings

__all__ = ["ControlSettings", "KafkaSettings"]
