# make demo   build everything and grade a sample class
# make test   every check there is
# make help   the other targets

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SITE := build/site/_build/html
DEMO := build/demo
CHAPTERS := $(notdir $(basename $(wildcard book/chapters/*.md)))
RELEASE := $(shell sed -n 's/^ *course_release: *//p' _config.yml)
SHELL := /bin/bash -o pipefail
export PATH := $(CURDIR)/$(BIN):$(PATH)

LIBRARY := $(shell find source_lib -type f -not -path '*/__pycache__/*')
GRADER := $(shell find autograder -type f -not -path '*/__pycache__/*')
BOOK := $(shell find book -type f) _config.yml

.PHONY: help demo test test-fast hostile book assignments grade checks bench screenshots lint clean

help:
	@grep -E '^# make' Makefile | cut -c3-
	@echo "make book         the site, at $(SITE)/index.html"
	@echo "make assignments  the notebooks that students get, under assignments/release"
	@echo "make grade        the sample class, graded under $(DEMO)"
	@echo "make checks       which wrong solutions the hidden tests catch"
	@echo "make bench        the measurements, as tables beside their scripts"
	@echo "make hostile      attacks on grading, each between two honest submissions"
	@echo "make lint         style and types"
	@echo "make test-fast    the tests that take seconds"
	@echo "make screenshots  the pictures of the README, from what make demo built"
	@echo "make clean        remove what was built; submissions and the gradebook stay"

demo: book grade
	@autograder report $(lastword $(CHAPTERS)) --course-dir $(DEMO)
	@autograder report --course-dir $(DEMO)
	@echo "site:     $(SITE)/index.html"
	@echo "feedback: $(DEMO)/feedback/<student>/<chapter>/<chapter>.html"

test: lint book
	pytest -q --doctest-modules source_lib/tinytorch
	pytest -n 2 --dist loadgroup

hostile: $(VENV)/installed
	pytest -n 2 --dist loadgroup tests/hostile

test-fast: $(VENV)/installed
	pytest -n 2 -m "not slow"

lint: $(VENV)/installed
	ruff check .
	ruff format --check .
	mypy

$(VENV)/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; say which by 'make PYTHON=python3.12 ...'"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --progress-bar on -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

build/assignments: $(VENV)/installed $(LIBRARY) $(GRADER) $(BOOK)
	autograder build
	@for chapter in $(CHAPTERS); do \
	  echo "nbgrader generate_assignment --force $$chapter"; \
	  nbgrader generate_assignment --force --log-level=ERROR $$chapter || exit 1; \
	done
	autograder release $(RELEASE)
	@autograder release $(lastword $(CHAPTERS)) > /dev/null  # for tito in this repository
	@mkdir -p build && touch $@

assignments: build/assignments

build/book: build/assignments
	jupyter-book build book --config _config.yml --path-output build/site -W -n --keep-going --all \
	  | grep -E --line-buffered 'reading|writing|WARNING|ERROR|succeeded|finished' || [ $${PIPESTATUS[0]} -eq 0 ]
	@touch $@

book: build/book

# The builder leaves a notebook alone that did not change, so an edited page regrades nobody.
assignments/source/%.ipynb: build/assignments
	@:

$(DEMO)/graded: $(foreach chapter,$(CHAPTERS),assignments/source/$(chapter)/$(chapter).ipynb) \
    $(LIBRARY) $(filter autograder/grading/% autograder/kernels/%,$(GRADER)) \
    tests/students/sample_class.py
	@mkdir -p $(DEMO)
	rm -rf $(DEMO)/source $(DEMO)/submitted
	cp -r assignments/source $(DEMO)/source
	@for chapter in $(CHAPTERS); do \
	  nbgrader generate_assignment --force --log-level=ERROR \
	    --CourseDirectory.root=$(CURDIR)/$(DEMO) $$chapter || exit 1; \
	done
	@python tests/students/sample_class.py $(DEMO) > /dev/null
	@for chapter in $(CHAPTERS); do \
	  echo "autograder grade $$chapter --workers 2"; \
	  autograder grade $$chapter --workers 2 --course-dir $(DEMO) > $(DEMO)/$$chapter.txt || exit 1; \
	  nbgrader generate_feedback --force --log-level=ERROR \
	    --CourseDirectory.root=$(CURDIR)/$(DEMO) $$chapter || exit 1; \
	done
	@touch $@

grade: $(DEMO)/graded

checks: $(VENV)/installed
	@for chapter in $(CHAPTERS); do autograder checks $$chapter || exit 1; done

bench: $(VENV)/installed
	python benchmarks/measuring/run.py
	python benchmarks/perf/run.py
	python benchmarks/grading/run.py

screenshots: book grade
	python docs/screenshots.py

clean:
	rm -rf build
