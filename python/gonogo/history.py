"""What a training leaves behind: one row of figures per epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from pandas import DataFrame

# Vermilion and blue of Okabe and Ito, "Color Universal Design" (2008).
_LOSS, _ACCURACY = "#D55E00", "#0072B2"


class History:
    """Figures of a training, epoch by epoch, as Keras keeps them.

    Attributes
    ----------
    epoch : list of int
        Epochs, counted from 0.
    history : dict of str -> list of float
        ``loss`` and ``accuracy`` of the training pictures as they were seen (augmented, dropout on), ``val_loss`` and
        ``val_accuracy`` of the whole validation set after the epoch where there is one, and ``learning_rate`` of the
        epoch's last step.
    """

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def append(self, epoch: int, logs: dict[str, float]) -> None:
        """Add the figures of one epoch, all or, after Ctrl-C, none."""
        added = {key: [*self.history.get(key, []), value] for key, value in logs.items()}
        self.__dict__.update(epoch=[*self.epoch, epoch], history={**self.history, **added})

    def last(self) -> dict[str, float]:
        """Return the figures of the last epoch, none before the first."""
        return {key: values[-1] for key, values in self.history.items()}

    def __len__(self) -> int:
        return len(self.epoch)

    def __repr__(self) -> str:
        if not self.epoch:
            return "History(no epoch)"
        last = ", ".join(f"{key} {values[-1]:.4g}" for key, values in self.history.items())
        return f"History({len(self.epoch)} epochs; last: {last})"

    def _repr_html_(self) -> str:
        keys = list(self.history)
        head = "".join(f"<th>{key}</th>" for key in ["epoch", *keys])
        rows = "".join(
            f"<tr><td>{epoch + 1}</td>" + "".join(f"<td>{self.history[key][i]:.4g}</td>" for key in keys) + "</tr>"
            for i, epoch in enumerate(self.epoch)
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def to_pandas(self) -> DataFrame:
        """Return a table with one row per epoch; needs pandas."""
        import pandas as pd

        return pd.DataFrame(self.history, index=pd.Index([epoch + 1 for epoch in self.epoch], name="epoch"))

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw loss and accuracy of training and validation, four curves in one figure; needs matplotlib.

        Parameters
        ----------
        ax : matplotlib Axes, optional
            Where to draw; a new figure when None. Loss is read on the left, accuracy on the right.

        Returns
        -------
        matplotlib Axes
            The axes of the loss.
        """
        import matplotlib.pyplot as plt
        from matplotlib.ticker import MaxNLocator

        if not self.epoch:
            raise ValueError("history: found no completed epoch, expected at least one to draw")
        ax = plt.subplots(figsize=(8, 4.5), layout="constrained")[1] if ax is None else ax
        right = ax.twinx()
        epochs = [epoch + 1 for epoch in self.epoch]
        curves: list[Any] = []
        for prefix, line, what in (("", "-", "training"), ("val_", "--", "validation")):
            for axes, figure, color in ((ax, "loss", _LOSS), (right, "accuracy", _ACCURACY)):
                if (values := self.history.get(prefix + figure)) is not None:
                    marker = "o" if len(epochs) <= 40 else ""
                    style: dict[str, Any] = {"linestyle": line, "marker": marker, "markersize": 3, "color": color}
                    curves += axes.plot(epochs, values, label=f"{figure}, {what}", **style)
        ax.set_xlabel("epoch")
        ax.set_ylabel("loss", color=_LOSS)
        right.set_ylabel("accuracy", color=_ACCURACY)
        ax.tick_params(axis="y", colors=_LOSS)
        right.tick_params(axis="y", colors=_ACCURACY)
        ax.set_ylim(bottom=0)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.grid(alpha=0.3)
        for axes in (ax, right):
            axes.spines["top"].set_visible(False)
        ax.legend(handles=curves, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
        return ax
