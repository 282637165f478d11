"""Presets that users write, found by the name of a module or file (blinksocks, 4.2).

A name is ``package.module``, ``package.module:Class`` or the path of a ``.py`` file, also with
``:Class`` behind it. `blinktun.config.own_presets` tells such names from others.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
import traceback
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from blinktun.config.own_presets import split_class
from blinktun.errors import ConfigError
from blinktun.presets.base import Preset

if TYPE_CHECKING:
    from types import ModuleType

_GUIDE = "see docs/guide/own-presets.md"


def load_preset(name: str) -> type[Preset]:
    """Import a module or file and find the preset in it.

    What has been imported before is not imported again.

    Raises:
        ConfigError: there is no such module or file, it raises, or it has not exactly one preset.
    """
    place, class_name = split_class(name)
    if place.endswith(".py"):
        return _find(_import_file(place), class_name)
    return _find(_import_module(place), class_name)


def _import_module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _failed(error) from error
        fix = "install it beside blinktun, or write the path of its .py file"
        raise ConfigError(f"there is no module {error.name}", fix=fix) from None
    except Exception as error:
        raise _failed(error) from error


@cache
def _import_file(path: str) -> ModuleType:
    file = Path(path)
    if not file.is_file():
        raise ConfigError("is no file", fix=f"put it at {file.absolute()}")
    name = f"blinktun_own_presets.{file.stem}_{abs(hash(str(file.resolve()))):x}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ConfigError("is no Python file", fix=_GUIDE)
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up there.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _failed(error) from error
    return module


def _find(module: ModuleType, class_name: str) -> type[Preset]:
    if class_name:
        found = getattr(module, class_name, None)
        if not isinstance(found, type):
            raise ConfigError(f"has no class {class_name}", fix=_GUIDE)
        if not issubclass(found, Preset):
            problem = f"{class_name} is no blinktun.presets.Preset"
            raise ConfigError(problem, fix=f"derive it from that class; {_GUIDE}")
        return _concrete(found)
    presets = [
        kind
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, Preset)
        and kind.__module__ == module.__name__
    ]
    # Presets that others in the file are derived from count only when there is nothing else.
    candidates = [kind for kind in presets if not inspect.isabstract(kind)] or presets
    if not candidates:
        fix = f"derive a class from blinktun.presets.Preset; {_GUIDE}"
        raise ConfigError("has no preset", fix=fix)
    if len(candidates) > 1:
        names = [kind.__name__ for kind in candidates]
        fix = f"write the class behind it, for example :{names[0]}"
        raise ConfigError(f"has several presets: {', '.join(names)}", fix=fix)
    return _concrete(candidates[0])


def _concrete(kind: type[Preset]) -> type[Preset]:
    if inspect.isabstract(kind):
        missing = ", ".join(sorted(kind.__abstractmethods__))
        problem = f"{kind.__name__} is not complete: it does not define {missing}"
        raise ConfigError(problem, fix=f"define them; {_GUIDE}")
    return kind


def _failed(error: Exception) -> ConfigError:
    last = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{Path(last.filename).name}, line {last.lineno}"
    problem = f"cannot be imported: {type(error).__name__}: {error} ({where})"
    return ConfigError(problem, fix="mend what it does when it is imported")
