"""The trial against human inspection: its plan, its sequential decision, and how people and the model agree."""

from gonogo.pilot.e_process import CERTIFIED, FAILED, NOT_SHOWN, Trial
from gonogo.pilot.operating import OperatingCharacteristic, operating_characteristic, plot_operating_characteristic
from gonogo.pilot.plan import Plan, plan_trial
from gonogo.pilot.status import Status, trial_status
from gonogo.pilot.verdicts import Verdict, verdicts_from_rows

__all__ = [
    "CERTIFIED",
    "FAILED",
    "NOT_SHOWN",
    "OperatingCharacteristic",
    "Plan",
    "Status",
    "Trial",
    "Verdict",
    "operating_characteristic",
    "plan_trial",
    "plot_operating_characteristic",
    "trial_status",
    "verdicts_from_rows",
]
