"""Whose code `import tinytorch` gives: the student's, chapter by chapter, over the reference.

The wheel puts one line beside the installed packages that calls `install` when an interpreter
starts, so it has to be quick: it imports nothing but what Python has loaded already (importlib.util
alone would cost as much as all of the start), and does nothing at all until a module of
`tinytorch` that a chapter teaches is imported.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing's own takes longer to import than this module
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

# A kernel that runs a notebook has these in its environment: the chapter that is worked on,
# whether the course's own solution is what is tested, and whether the chapters before are the
# reference's, as they are where it is graded.
CHAPTER, ONLY_REFERENCE, AS_GRADED = "TITO_CHAPTER", "TITO_ONLY_REFERENCE", "TITO_AS_GRADED"


def install() -> None:
    """Let imports of taught modules ask `Finder` first."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())


class Finder:
    """Finds the modules that a chapter teaches where the student has chosen their own code."""

    def __init__(self) -> None:
        self._taught: dict[str, str] | None = None

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("tinytorch."):
            return None
        try:
            return self._found(fullname, path)
        except Exception:  # noqa: BLE001 - an import never fails since tito's own files are damaged
            return None

    def _found(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        from importlib.util import spec_from_loader

        chapter = self._taught_modules().get(fullname)
        if chapter is None:
            return None
        current = os.environ.get(CHAPTER)
        if current and (chapter > current or (chapter == current and not _only_reference())):
            return spec_from_loader(fullname, Withheld(fullname, chapter))  # type: ignore[arg-type]
        original = self._original(fullname, path)
        if original is None or original.loader is None or not _uses_mine(chapter):
            return original
        original.loader = Mine(original.loader, chapter)  # type: ignore[assignment]
        return original

    def _taught_modules(self) -> dict[str, str]:
        if self._taught is None:
            from tito.course import find_course
            from tito.errors import TitoError

            try:
                chapters = find_course().chapters
            except TitoError:  # without a course there is nothing to lay over it
                chapters = []
            self._taught = {chapter.module: chapter.name for chapter in chapters}
        return self._taught

    def _original(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        for finder in sys.meta_path:
            if finder is not self:
                spec = finder.find_spec(fullname, path)
                if spec is not None:
                    return spec
        return None


class Withheld:
    """Loads nothing: the module is what the chapter at hand, or a later one, asks for."""

    def __init__(self, fullname: str, chapter: str) -> None:
        self.fullname, self.chapter = fullname, chapter

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        raise ImportError(
            f"{self.fullname} is what chapter {self.chapter} asks you to write; "
            "use your own functions from the notebook"
        )


class Mine:
    """Loads the reference, then puts what the student wrote into its place."""

    def __init__(self, reference: Any, chapter: str) -> None:
        self.reference, self.chapter = reference, chapter

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self.reference.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        try:
            self.reference.exec_module(module)
        except ImportError:
            # The release asks for this chapter, so the student's code is all there is.
            module.__path__ = []
        own = _student_module(self.chapter)
        written = {
            name: value
            for name, value in vars(own).items()
            if getattr(value, "__module__", None) == own.__name__
        }
        replaced = {
            id(vars(module)[name]): value for name, value in written.items() if name in vars(module)
        }
        package = f"{module.__name__}."
        parts = [part for name, part in sys.modules.items() if name.startswith(package)]
        for part in [module, *parts]:
            for name, value in list(vars(part).items()):
                if id(value) in replaced:
                    setattr(part, name, replaced[id(value)])
        for name, value in vars(own).items():
            if name in written or name not in vars(module):
                setattr(module, name, value)


def _student_module(chapter: str) -> ModuleType:
    from importlib.util import module_from_spec, spec_from_file_location

    from tito.export import mine_path

    path = mine_path(chapter)
    name = f"tinytorch_mine_{chapter}"
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = module_from_spec(spec)
    sys.modules[name] = module
    number = chapter.partition("_")[0]
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ImportError(
            f"your chapter {number} cannot be imported ({type(error).__name__}: {error}); "
            f"'tito use reference {number}' switches it off, and 'tito module complete {number}' "
            "exports it again"
        ) from error
    return module


def _uses_mine(chapter: str) -> bool:
    from tito.state import MINE, uses

    as_graded = os.environ.get(AS_GRADED)
    return not as_graded and not _only_reference() and uses().get(chapter) == MINE


def _only_reference() -> bool:
    return bool(os.environ.get(ONLY_REFERENCE))
