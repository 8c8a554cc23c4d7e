"""Everything that touches the world: HTTP, tasks, storage, telemetry."""

__version__ = "0.1.0"
