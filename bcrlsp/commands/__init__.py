"""The commands, one module each: wiring between the settings, the tables and the library."""
