# What a person does with this repository. Each target sees to what it needs; `make` alone lists them.

# All builds name the whole workspace: another choice of packages has other features, and compiles again.

# What is built is looked for there, whatever the environment or cargo's own configuration says.
export CARGO_TARGET_DIR := $(CURDIR)/target

.DEFAULT_GOAL := help
.PHONY: help setup policies build install test explore conformance programs demo demo-model demo-real bench chaos cluster cluster-down

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install or name what is missing on this machine
	@tests/setup

policies: ## build the default policies to target/policies
	@plugins/build

build: policies ## build the daemon to target/debug/aviary
	@cargo build --locked --workspace --bin aviary

install: policies ## install the daemon where cargo installs programs
	@cargo install --locked --path host/daemon

test: ## run every test there is
	@tests/run

explore: ## explore the core against a model of the cluster, crashes and people
	@cargo build --locked --release --quiet --package aviary-simulation --bin explore
	@exec target/release/explore $(EXPLORE)

conformance: setup ## play N random sequences of acts on the model and on a real control plane: N=5000 SEED=7
	@CONFORMANCE_SEQUENCES=$(or $(N),300) CONFORMANCE_SEED=$(or $(SEED),1) \
		cargo test --locked --workspace --test conformance random -- --nocapture

programs: policies
	@cargo build --locked --workspace --bins

demo: demo-$(or $(CLUSTER),model) ## watch a good, a crashing and a slower release without a cluster; CLUSTER=real on one, with a policy swapped

demo-model: build
	@exec target/debug/aviary demo

demo-real: setup programs
	@plugins/build -p no-worse --to target/demo
	@exec target/debug/demo

demo-%:
	@echo "demo: there is no CLUSTER=$*; leave it out, or say CLUSTER=real" >&2; exit 1

bench: setup policies ## measure the release build, 15 minutes; ONLY="idle-80 change" measures these alone
	@cargo build --locked --release --workspace --bin aviary --bin node-agent --bin bench --example call-cost
	@exec target/release/bench $(ONLY)

chaos: setup policies ## release while Aviary is killed 200 times and the control plane fails, 30 minutes at most; CHAOS="--kills 20 --minutes 8" is a short one
	@cargo build --locked --release --workspace --bin aviary --bin node-agent --bin worker --bin chaos
	@exec target/release/chaos $(CHAOS)

cluster: setup programs ## leave a local cluster running; prints how to reach it
	@target/debug/local-cluster up --keep --images tests/node-agent/images.json --namespace shop
	@echo "# or: make cluster-down"

cluster-down: ## stop that cluster
	@cargo build --locked --quiet --workspace --bin local-cluster
	@target/debug/local-cluster down
