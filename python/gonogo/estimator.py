"""scikit-learn's manners of an estimator, without scikit-learn."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self, TypeVar

_Kind = TypeVar("_Kind", bound=BaseException)


def scikit_learn_class(name: str, otherwise: type[_Kind]) -> type[_Kind]:
    """Return a class of ``sklearn.exceptions``, which its tools ask for, or another one where that is not installed."""
    try:
        found: type[_Kind] = getattr(importlib.import_module("sklearn.exceptions"), name)
    except ImportError:
        return otherwise
    return found


class _NotFittedError(ValueError, AttributeError):
    """As scikit-learn's, where that is not installed: ``hasattr`` is false for what only a training gives."""


class Estimator:
    """Base of estimators: the constructor stores its parameters as given, under their names.

    See scikit-learn, "Developing scikit-learn estimators".
    """

    # What scikit-learn 1.4 and 1.5 ask; later ones ask for the tags.
    _estimator_type = "classifier"
    # Parameters that are mappings, which set_params reaches into.
    _nested: ClassVar[tuple[str, ...]] = ()
    # Those of them for which a text stands for {"kind": text}.
    _kinds: ClassVar[tuple[str, ...]] = ()

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, Tags, TargetTags

        return Tags(
            estimator_type="classifier",
            target_tags=TargetTags(required=True),
            classifier_tags=ClassifierTags(),
        )

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        parameters = inspect.signature(cls.__init__).parameters
        return {name: parameter.default for name, parameter in parameters.items() if name != "self"}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters as they were given; with ``deep`` also the entries of mappings."""
        parameters = {name: getattr(self, name) for name in self._defaults()}
        if deep:
            for name in self._nested:
                if isinstance(mapping := parameters[name], Mapping):
                    parameters |= {f"{name}__{inner}": value for inner, value in mapping.items()}
        return parameters

    def set_params(self, **parameters: Any) -> Self:
        """Set parameters by name; ``model_params__dropout=0.3`` and ``optimizer__momentum=0.9`` reach into mappings.

        Whole parameters are set before entries of mappings, whatever their order here.

        Raises
        ------
        ValueError
            For a name that is no parameter, and for an entry of something that is no mapping. Then nothing is set.
        """
        changed: dict[str, Any] = {}
        for name, value in sorted(parameters.items(), key=lambda item: "__" in item[0]):
            outer, reaches, inner = name.partition("__")
            if outer not in self._defaults() or (reaches and (not inner or outer not in self._nested)):
                raise ValueError(f"{name!r} is not a parameter; there are: {', '.join(self._defaults())}")
            changed[outer] = self._with_entry(outer, changed, inner, value) if inner else value
        for name, value in changed.items():
            setattr(self, name, value)
        return self

    def _with_entry(self, outer: str, changed: Mapping[str, Any], inner: str, value: Any) -> dict[Any, Any]:
        old = changed[outer] if outer in changed else getattr(self, outer)
        if isinstance(old, str) and outer in self._kinds:
            old = {"kind": old}
        if old is not None and not isinstance(old, Mapping):
            raise ValueError(f"{outer}__{inner}: found {outer}={old!r}, expected a dict to set {inner!r} in")
        entries = dict(old or {})
        # Keys need not be texts: class_weight={0: 2.0} has class_weight__0.
        return {**entries, next((key for key in entries if str(key) == inner), inner): value}

    def _not_fitted(self) -> ValueError:
        """Return the error about a use that needs a training: ValueError and AttributeError in one."""
        kind = scikit_learn_class("NotFittedError", _NotFittedError)
        return kind(f"this {type(self).__name__} is not fitted yet; call fit, or gonogo.load for a model file")

    def __repr__(self) -> str:
        defaults = self._defaults()
        changed = {
            name: value for name, value in self.get_params(deep=False).items() if repr(value) != repr(defaults[name])
        }
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"
