"""``python -m redraft.world.judging``."""

import sys

from redraft.world.judging.program import main

if __name__ == "__main__":
    sys.exit(main())
