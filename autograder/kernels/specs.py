"""Where Jupyter finds the grading kernel without its having been installed."""

from pathlib import Path

from jupyter_client.kernelspec import KernelSpecManager
from traitlets import default

GRADING_KERNEL = "sandboxed-python3"


class CourseKernelSpecManager(KernelSpecManager):
    """Finds the kernels of this package before any that the machine has installed."""

    @default("kernel_dirs")
    def _course_kernels_first(self) -> list[str]:
        return [str(Path(__file__).parent / "specs"), *self._kernel_dirs_default()]
