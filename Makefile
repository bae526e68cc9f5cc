# Everything is one command: each target does the set-up it needs itself, Debian packages included.
help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/stockade; needs Go alone
	CGO_ENABLED=0 go build -trimpath -o bin/stockade ./cmd/stockade

run: ## build, and watch this host with the built-in policy in audit mode; needs root
	@[ "$$(id -u)" = 0 ] || { echo 'make run: needs root, because the guard loads BPF programs into the kernel' >&2; exit 1; }
	@$(MAKE) --no-print-directory build
	@mountpoint -q /sys/fs/bpf || mount -t bpf bpf /sys/fs/bpf
	./bin/stockade run

test: ## the CI tier: lint, generated code, all tests here and in VMs, seconds per suite; needs root
	@test/run.sh

bypass: ## the guard in force in VMs against every known way round it; hours; needs root
	@test/run.sh bypass

soak: ## the full counts that take hours; needs root
	@test/run.sh soak

lint: ## golangci-lint and gofumpt
	@test/run.sh lint

generate: ## rebuild the BPF objects with the pinned clang
	@test/run.sh generate

bench: ## all benchmarks; needs root
	@test/run.sh bench

.PHONY: help build run test bypass soak lint generate bench
