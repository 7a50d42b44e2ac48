"""All cases, by family: importing this package fills `submission.CASES`."""

from . import (  # noqa: F401
    channel,
    escaping,
    exhausting,
    flooding,
    forging,
    hanging,
    honest_files,
    honest_work,
    killing,
    lingering,
    lying,
    malformed,
    masked,
    metadata,
    network,
    reading,
    shadowing,
    spying,
    telling,
)
