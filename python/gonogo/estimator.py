"""scikit-learn's manners of an estimator, without scikit-learn."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar, Self


class Estimator:
    """Base of estimators: the constructor stores its parameters as given, under their names.

    See scikit-learn, "Developing scikit-learn estimators".
    """

    # What scikit-learn 1.4 and 1.5 ask; later ones ask for the tags.
    _estimator_type = "classifier"
    # Parameters that are mappings, which set_params reaches into; a text stands for {"kind": text}.
    _nested: ClassVar[tuple[str, ...]] = ()

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

        Raises
        ------
        ValueError
            For a name that is no parameter.
        """
        for name, value in parameters.items():
            outer, reaches, inner = name.partition("__")
            if outer not in self._defaults() or (reaches and (not inner or outer not in self._nested)):
                raise ValueError(f"{name!r} is not a parameter; there are: {', '.join(self._defaults())}")
            if inner:
                old = getattr(self, outer) or {}
                setattr(self, outer, {**({"kind": old} if isinstance(old, str) else old), inner: value})
            else:
                setattr(self, outer, value)
        return self

    def __repr__(self) -> str:
        defaults = self._defaults()
        changed = {
            name: value for name, value in self.get_params(deep=False).items() if repr(value) != repr(defaults[name])
        }
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"
