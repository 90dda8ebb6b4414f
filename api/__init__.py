"""The doors: HTTP, pages, command line."""

import os

# Threads of LightGBM sleep while they wait for each other. Spinning, they hold a core that other work needs: on a busy
# machine a night then takes many times as long. Read once, when libgomp is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
