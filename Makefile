# Sentinel. `make help` lists the targets.
SHELL := /bin/bash
GO ?= go
LINT := $(GO) tool -modfile=tools/go.mod golangci-lint
OPA := $(GO) tool opa
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
PACKAGES := ./...
COVERFLAGS := -coverpkg=./internal/...,./cmd/...,./migrations/...,./models/... -coverprofile=coverage.out

.DEFAULT_GOAL := help
.PHONY: help run build test race lint fmt cover covered policy-test bundle bench migrate docker demo-todo prepare clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: prepare build ## Start the server with demo data on an embedded PostgreSQL
	./bin/sentinel serve --demo

build: ## Build bin/sentinel
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/sentinel ./cmd/sentinel

test: prepare ## Run all tests on a real PostgreSQL (COVER=1: and count what they cover)
	$(GO) test -timeout 15m $(if $(COVER),$(COVERFLAGS)) $(PACKAGES)

race: prepare ## Run all tests under the race detector
	$(GO) test -race -timeout 20m $(PACKAGES)

lint: ## Run golangci-lint and check the formatting of Go and Rego
	$(LINT) run
	$(OPA) fmt --fail policies > /dev/null
	$(OPA) check --strict policies

fmt: ## Format Go and Rego
	$(LINT) fmt
	$(OPA) fmt --write policies

cover: ## Check that tests cover each package (80 %) and the engine (95 %)
	@$(MAKE) --no-print-directory test COVER=1
	@$(MAKE) --no-print-directory covered

covered: ## Check the coverage of the last `make test COVER=1`
	@$(GO) -C tools run ./cover ../coverage.out

policy-test: ## Run the tests of the Rego library with the stock opa, 95 % of lines covered
	$(OPA) test --coverage --threshold 95 --format json policies > /dev/null
	$(OPA) test policies

bundle: ## Build bundles/sentinel.tar.gz from policies/
	$(GO) run ./cmd/sentinel policy build -o bundles/sentinel.tar.gz

bench: prepare ## Run the benchmarks that docs/performance.md quotes
	$(GO) test -run '^$$' -bench . -benchmem ./internal/engine/... ./internal/platform/crypto ./internal/feature/... ./internal/app

migrate: build ## Bring the database of MIGRATE_DATABASE_URL up to date
	./bin/sentinel migrate up

demo-todo: prepare ## Play the OpenID AuthZEN Todo scenario and show it as a table
	@$(GO) test -count=1 -run TestTodo_DecidesEveryQuestionAsPublished -v ./internal/app | grep '^  '

docker: ## Build the container image
	docker build -t sentinel:$(VERSION) --build-arg VERSION=$(VERSION) .

prepare:
	@./tools/prepare.sh

clean: ## Remove what was built
	rm -rf bin bundles/*.tar.gz coverage.out
