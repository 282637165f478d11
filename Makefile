# One word for every task. Each target installs what it needs; nothing is done twice.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help demo setup peers test lint rust wasm python matrix scenarios bench bench-quick bench-links bench-udp bench-micro soak goals clean

PYTHON ?= python3
BIN := .venv/bin
# Cargo and maturin must agree on the interpreter, or each rebuilds what the other built.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export VIRTUAL_ENV := $(CURDIR)/.venv

BUILT := .venv/built
QUIC := target/quic/release/quic-tunnel
RUST_SOURCES := Cargo.toml Cargo.lock pyproject.toml $(shell find rust -name '*.rs' -o -name Cargo.toml)

help:
	@echo "make demo    build, and send a file through the whole picture on this machine"
	@echo "make setup   a virtual environment with blinktun, and the original programs"
	@echo "make test    everything that must hold: lint, Rust, wasm, Python, the original programs"
	@echo "make lint    formatting, clippy, ruff, mypy, stubtest"
	@echo "make wasm    compile the protocol's crate for wasm32, which has no host"
	@echo "make matrix  every combination of kcptun's settings with both originals, into docs/interop"
	@echo "             (ONLY='aes-128-gcm': those whose text contains it, not written)"
	@echo "make scenarios   the original blinksocks' own suite with us and with itself, into docs/interop"
	@echo "make bench   measure beside the originals into docs/benchmarks (ONLY=picture: some cases)"
	@echo "make bench BEFORE=DIR   measure beside the commands of an older build instead"
	@echo "make bench-quick   the same in short, into target/benchmarks"
	@echo "make bench-links   lossy links, beside Go, QUIC and TCP, into target/benchmarks (root; RECORD=1: docs/benchmarks)"
	@echo "             (LINKS='loss5 dsl' WHO='ours quinn-bbr' ROUNDS=1 SECONDS=6: some, in short)"
	@echo "make bench-udp   UDP through the kcptun roles over lossy links, by iperf3 (root; RECORD=1: docs/benchmarks)"
	@echo "make bench-micro   the parts of the Rust core alone"
	@echo "make soak    attack running servers for a quarter of an hour, restart others again and again"
	@echo "make goals   measure every goal of reliability and security, into docs/benchmarks (ONLY=2,19: some)"
	@echo "make clean   remove all that was built or installed here"

demo: $(BUILT)
	$(BIN)/blinktun demo

setup: $(BUILT) peers

peers:
	tools/peers.sh

test: lint rust wasm python

lint: $(BUILT)
	@echo "== lint"
	cargo fmt --all --check
	cargo fmt --check --manifest-path benchmarks/quic/Cargo.toml
	cargo clippy --workspace --all-targets --locked -- -D warnings
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src tests benchmarks examples tools
	$(BIN)/stubtest blinktun._core --mypy-config-file pyproject.toml

# blinktun-py has no logic of its own; linking its tests would want Python's development files.
rust:
	@echo "== Rust tests"
	cargo test --workspace --exclude blinktun-py --locked --quiet

# What compiles there asks nothing of a host.
wasm:
	@echo "== blinktun-proto without a host"
	tools/wasm-check.sh

python: $(BUILT) peers
	@echo "== Python tests, with the original programs"
	$(BIN)/python -m pytest --durations=10

matrix: $(BUILT) peers
	$(BIN)/python -m tests.interop.matrix --only "$(ONLY)"

scenarios: $(BUILT) peers
	$(BIN)/python -m tests.interop.scenarios

bench: $(BUILT) peers
	$(BIN)/python -m benchmarks --only "$(ONLY)" $(if $(BEFORE),--before "$(BEFORE)")

bench-quick: $(BUILT) peers
	$(BIN)/python -m benchmarks --quick --only "$(ONLY)"

bench-links: $(BUILT) peers $(QUIC)
	$(BIN)/python -m benchmarks.links --links "$(LINKS)" --who "$(WHO)" $(if $(ROUNDS),--rounds $(ROUNDS)) \
		$(if $(SECONDS),--seconds $(SECONDS)) $(if $(OURS),--ours "$(OURS)") $(if $(RECORD),--record)

bench-udp: $(BUILT)
	$(BIN)/python -m benchmarks.datagrams --links "$(LINKS)" $(if $(SECONDS),--seconds $(SECONDS)) \
		$(if $(RECORD),--record)

bench-micro:
	cargo bench --workspace --exclude blinktun-py --locked --bench '*'

soak: $(BUILT) peers
	$(BIN)/python -m benchmarks.hostile
	INTEROP_ROUNDS=10 $(BIN)/python -m pytest -rP tests/interop/test_restart.py \
		tests/interop/test_streams.py -k "killed_server or restart or thousand"

goals: $(BUILT) peers
	$(BIN)/python -m benchmarks.goals --only "$(ONLY)"

clean:
	rm -rf .venv .peers target build src/blinktun/_core.*.so
	find . -name __pycache__ -prune -exec rm -rf {} +
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BUILT): $(RUST_SOURCES) | $(BIN)/maturin
	@echo "== build"
	$(BIN)/maturin develop --release --extras dev
	@touch $@

# A workspace of its own: what quinn needs is not in the product's lock.
$(QUIC): $(wildcard benchmarks/quic/src/*.rs) benchmarks/quic/Cargo.toml benchmarks/quic/Cargo.lock
	cargo build --release --locked --quiet --manifest-path benchmarks/quic/Cargo.toml --target-dir target/quic
	@touch $@

$(BIN)/maturin:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || tools/apt-install.sh python3-venv
	command -v cc >/dev/null || tools/apt-install.sh build-essential
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet 'maturin>=1.9,<2'
