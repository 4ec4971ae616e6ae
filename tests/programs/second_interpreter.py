"""Imports gonogo in a second interpreter, before or after the first one did. The second must be refused by one clear
error, the first must work as before.

Usage: second_interpreter.py before|after.
"""

from __future__ import annotations

import os
import sys
import warnings

for name in ("COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START"):
    os.environ.pop(name, None)  # coverage.py does not measure a second interpreter, and says so where it is asked to

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the module's name says that it may change
    if sys.version_info >= (3, 13):
        import _interpreters

        def run(source: str) -> str:
            """Run source in a new interpreter and return what it raised."""
            number = _interpreters.create("legacy")
            raised = _interpreters.exec(number, source)
            _interpreters.destroy(number)
            return "" if raised is None else f"{raised.type.__name__}: {raised.msg}"
    else:
        import _xxsubinterpreters

        def run(source: str) -> str:
            """Run source in a new interpreter and return what it raised."""
            number = _xxsubinterpreters.create(isolated=False)
            try:
                _xxsubinterpreters.run_string(number, source)
            except _xxsubinterpreters.RunFailedError as error:
                return str(error).replace("<class 'ImportError'>", "ImportError")
            finally:
                _xxsubinterpreters.destroy(number)
            return ""


def main() -> None:
    """Print what the second interpreter was told, then what the first one computes."""
    before = ""
    if sys.argv[1] == "after":
        import small_work

        before = small_work.scores(small_work.trained())
    for module in ("gonogo._core", "gonogo"):
        print(run(f"import {module}"))
    import small_work

    after = small_work.scores(small_work.trained())
    print("same" if after == (before or after) else "other")


if __name__ == "__main__":
    main()
