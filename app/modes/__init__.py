"""Writing modes as data: one file a mode."""
