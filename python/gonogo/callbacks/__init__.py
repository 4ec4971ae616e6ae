"""Hooks around epochs and steps, with Keras's names."""

from gonogo.callbacks.backup import BackupAndRestore
from gonogo.callbacks.callback import Callback, check_callbacks
from gonogo.callbacks.files import CSVLogger, ModelCheckpoint
from gonogo.callbacks.monitor import Mode
from gonogo.callbacks.rates import ReduceLROnPlateau
from gonogo.callbacks.stopping import EarlyStopping, TerminateOnNaN
from gonogo.callbacks.tensorboard import TensorBoard

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "EarlyStopping",
    "Mode",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
    "check_callbacks",
]
