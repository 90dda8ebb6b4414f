"""Which addresses are there under /v1? One router a room; each operation declares who may ask it."""
