"""Visual go/no-go inspection of parts that trains, certifies and runs on the CPU that is already there.

``import gonogo`` loads NumPy and the compiled core; everything else is imported where it is used.
"""

from gonogo import layers
from gonogo._core import __version__
from gonogo.audit import AuditReport, audit
from gonogo.augment import Augment
from gonogo.callbacks import (
    BackupAndRestore,
    Callback,
    CSVLogger,
    EarlyStopping,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
    TerminateOnNaN,
)
from gonogo.classifier import InspectionClassifier, load
from gonogo.comparison import Comparison, compare
from gonogo.cross_validation import CrossValidation, cross_validate
from gonogo.data import Dataset, load_split, plot_split, save_split
from gonogo.decision import Decision
from gonogo.errors import (
    CheckpointError,
    DecodeError,
    DivergenceError,
    LedgerError,
    ModelFileError,
    NotCertifiable,
)
from gonogo.evaluation import evaluate
from gonogo.gate import PassGate
from gonogo.history import History
from gonogo.inspector import Inspector
from gonogo.machine import fingerprint
from gonogo.preprocess import Preprocess
from gonogo.report import Report
from gonogo.tiles import TilePrediction, Tiles

__all__ = [
    "AuditReport",
    "Augment",
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CheckpointError",
    "Comparison",
    "CrossValidation",
    "Dataset",
    "Decision",
    "DecodeError",
    "DivergenceError",
    "EarlyStopping",
    "History",
    "InspectionClassifier",
    "Inspector",
    "LedgerError",
    "ModelCheckpoint",
    "ModelFileError",
    "NotCertifiable",
    "PassGate",
    "Preprocess",
    "ReduceLROnPlateau",
    "Report",
    "TensorBoard",
    "TerminateOnNaN",
    "TilePrediction",
    "Tiles",
    "__version__",
    "audit",
    "compare",
    "cross_validate",
    "evaluate",
    "fingerprint",
    "layers",
    "load",
    "load_split",
    "plot_split",
    "save_split",
]
