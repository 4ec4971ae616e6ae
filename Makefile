# Everything is installed into .venv; system packages are asked of apt only where something is missing.

VENV := .venv
PY := $(VENV)/bin/python
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)
# Two makes in one tree take turns.
PIP = flock $(VENV)/lock $(PY) -m pip install --quiet --disable-pip-version-check
BUILD = flock $(VENV)/lock $(PY) setup.py --quiet build_ext
SOURCES := $(shell find csrc -name '*.[ch]')
CLANG := $(firstword $(foreach name,clang clang-19 clang-18 clang-17 clang-16 clang-15 clang-14,$(shell command -v $(name))))
STRICT := -Wall -Wextra -Wshadow -Wconversion -Werror
# clang before 16 wants to be told twice that unset variables shall be zero.
CLANG_STRICT := $(STRICT) -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang
PYTEST = $(PY) -m pytest --quiet

.PHONY: setup demo test soak bench lint asan tsan coverage fuzz wheel app

setup: $(VENV)/tests.stamp $(VENV)/core.stamp

demo: $(VENV)/core.stamp
	$(VENV)/bin/gonogo demo

# Most tests want one core: beside the others run those of the line, and then, with oneDNN and SIMD switched off, what any
# engine must pass. What these two say is shown at the end.
test: lint
	@mkdir -p build
	{ $(PYTEST) tests/unit/test_line_*.py; line=$$?; $(PYTEST) -m any_engine --instruction-set scalar && exit $$line; } \
	>build/beside.log 2>&1 & beside=$$!; \
	$(PYTEST) --ignore-glob='*/test_line_*.py'; others=$$?; \
	wait $$beside || others=1; cat build/beside.log; exit $$others

# The same tests as above where they repeat something, as often as the documents promise.
soak: setup
	$(PYTEST) -m soak --full-figures

bench: $(VENV)/core.stamp
	@echo "installing what is compared with"
	@$(PIP) $$($(REQUIREMENTS) bench)
	for name in training augmentation inference inspection unknown; do $(PY) tests/bench/$$name.py || exit; done
	@mkdir -p build
	$(VENV)/bin/gonogo bench line --dir build

lint: setup
	CFLAGS="$(STRICT)" $(BUILD) --build-temp build/lint-gcc --build-lib build/lint-gcc/lib
ifneq ($(CLANG),)
	CC=$(CLANG) CFLAGS="$(CLANG_STRICT)" $(BUILD) --build-temp build/lint-clang --build-lib build/lint-clang/lib
endif
	$(VENV)/bin/ruff check --quiet .
	$(VENV)/bin/ruff format --quiet --check .
	$(PY) -m mypy
	MYPYPATH=python $(PY) -m mypy.stubtest --mypy-config-file pyproject.toml gonogo._core

# Python and oneDNN keep memory until the process ends; leaks are looked for in the C programs, which are ours alone.
REPORT := log_path=$(CURDIR)/build/sanitize/report

asan: setup
	rm -rf build/sanitize/report.* build/sanitize/tests.xml build/sanitize/lib/gonogo
	GONOGO_SANITIZE=1 $(PY) setup.py --quiet build --build-lib build/sanitize/lib
	GONOGO_SANITIZE=1 PYTHONPATH=$(CURDIR)/build/sanitize/lib PYTHONMALLOC=malloc \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:$(REPORT) UBSAN_OPTIONS=print_stacktrace=1:$(REPORT) \
	LD_PRELOAD="$(foreach name,libasan.so libubsan.so libstdc++.so.6,$(shell gcc -print-file-name=$(name)))" \
	$(PYTEST) --junit-xml=build/sanitize/tests.xml; $(PY) tests/sanitize/report.py build/sanitize

# Races between threads are looked for in the C programs that start some: pool, nets, steps, classifiers. Some fork and go on.
tsan: setup
	GONOGO_THREADS=1 $(BUILD) --build-lib build/threads/lib
	GONOGO_THREADS=1 TSAN_OPTIONS=die_after_fork=0 $(PYTEST) tests/unit/test_c_programs.py \
	-k "parallel or allocation_failures or classifier or exhausted"

# C by lines (gcov), Python by branches, from both passes of the tests with all the commands and programs that they start.
COVERAGE_RUN = GONOGO_COVERAGE=1 PYTHONPATH=$(CURDIR)/build/coverage/lib COVERAGE_FILE=$(CURDIR)/build/coverage/python \
	GCOV_ERROR_FILE=$(CURDIR)/build/coverage/gcov.log $(PY) -m coverage run -m pytest --quiet

coverage: setup
	@echo "installing what measures coverage"
	@$(PIP) $$($(REQUIREMENTS) coverage)
	rm -rf build/coverage/lib/gonogo build/coverage/python*
	@mkdir -p build/coverage && date +%s > build/coverage/started
	GONOGO_COVERAGE=1 $(PY) setup.py --quiet build --build-lib build/coverage/lib
	find build/coverage -name '*.gcda' -delete
	$(COVERAGE_RUN)
	$(COVERAGE_RUN) -m any_engine --instruction-set scalar
	$(PY) tests/coverage/unfinished.py build/coverage
	COVERAGE_FILE=build/coverage/python $(PY) -m coverage combine --quiet
	COVERAGE_FILE=build/coverage/python $(PY) -m coverage json --quiet -o build/coverage/python.json
	find build/coverage -name '*.gcda' -exec gcov --json-format --stdout {} + > build/coverage/c.json
	$(PY) tests/coverage/report.py build/coverage

# Minutes on all cores; what is learned stays in build/fuzz/corpus. Findings are printed with the way to make tests of them.
FUZZ_SECONDS := 60
LIBFUZZER = echo 'int LLVMFuzzerTestOneInput(void) { return 0; }' | \
	$(or $(CLANG),clang) -x c -fsanitize=fuzzer,address - -o build/fuzz/probe 2>build/fuzz/probe.log

fuzz: setup
	@mkdir -p build/fuzz
	@$(LIBFUZZER) || { echo "installing clang, with its run-time libraries" && $(SUDO) apt-get update -qq && \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq clang llvm >/dev/null; }
	$(PY) tests/fuzz/run.py --compiler $(or $(CLANG),clang) --seconds $(FUZZ_SECONDS)

wheel: $(VENV)/core.stamp
	rm -rf build/lib.* build/bdist.*
	$(PY) -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir dist .

# One folder, dist/gonogo, for machines without Python; it needs a C library no older than that of this machine.
app: $(VENV)/core.stamp
	@echo "installing what makes the folder"
	@$(PIP) $$($(REQUIREMENTS) app)
	rm -rf build/app build/lib.* build/bdist.*
	$(PY) -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir build/app/wheel .
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --target build/app/site build/app/wheel/*.whl
	$(PY) -m PyInstaller --noconfirm --log-level ERROR --distpath dist --workpath build/app/work app/gonogo.spec
	$(PY) app/smoke.py dist/gonogo

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "make: no Python 3.11 or newer was found; install one, or name it: make PYTHON=..." >&2; exit 2; }
	@missing=; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || missing="$$missing python3-venv"; \
	$(PYTHON) -c 'import os, sysconfig; os.stat(sysconfig.get_path("include") + "/Python.h")' 2>/dev/null || missing="$$missing python3-dev"; \
	test -e "$${STB_INCLUDE_DIR:-/usr/include/stb}/stb_image.h" || missing="$$missing libstb-dev"; \
	test -e /usr/share/i18n/locales/de_DE || missing="$$missing locales"; \
	/sbin/ldconfig -p | grep -q 'libgomp\.so\.1 ' || missing="$$missing libgomp1"; \
	test -z "$$missing" || { echo "installing$$missing" && $(SUDO) apt-get update -qq && \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; }
	$(PYTHON) -m venv $(VENV)

# Requirements come before the package, so that a rebuild neither downloads nor starts from nothing.
REQUIREMENTS = $(PY) -c 'import sys, tomllib; tables = tomllib.load(open("pyproject.toml", "rb")); project = tables["project"]; \
	print(*tables["build-system"]["requires"], *project["dependencies"], *(item for extra in sys.argv[1:] \
	for item in project["optional-dependencies"][extra]))'

$(VENV)/requirements.stamp: pyproject.toml | $(VENV)/bin/python
	@echo "installing what building and running need"
	@$(PIP) $$($(REQUIREMENTS))
	@touch $@

$(VENV)/tests.stamp: pyproject.toml | $(VENV)/bin/python
	@echo "installing what the tests need"
	@$(PIP) $$($(REQUIREMENTS) test)
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit; done; \
	echo "installing chromium" && $(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive \
	apt-get install -y -qq --no-install-recommends chromium >/dev/null || \
	echo "no chromium could be installed: the tests of pages will say so"
	@command -v strace >/dev/null || { echo "installing strace" && $(SUDO) apt-get update -qq && \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends strace >/dev/null || \
	echo "no strace could be installed: some tests will say so"; }
	@{ command -v mosquitto || test -x /usr/sbin/mosquitto; } >/dev/null && command -v openssl >/dev/null || { echo "installing mosquitto" && \
	$(SUDO) apt-get update -qq && \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mosquitto openssl >/dev/null || \
	echo "no mosquitto could be installed: some tests will say so"; }
	@command -v systemd-analyze >/dev/null || { echo "installing systemd" && $(SUDO) apt-get update -qq && \
	$(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends systemd >/dev/null || \
	echo "no systemd could be installed: some tests will say so"; }
	@touch $@

# The first build installs the package too; later ones only compile what changed.
$(VENV)/package.stamp: pyproject.toml $(VENV)/requirements.stamp
	$(PIP) --no-build-isolation --no-deps --editable .
	@touch $@

$(VENV)/core.stamp: $(SOURCES) setup.py $(VENV)/package.stamp
	$(BUILD) --inplace
	@touch $@
