# Sentinel. `make help` lists the targets.
SHELL := /bin/bash
GO ?= go
LINT := $(GO) tool -modfile=tools/go.mod golangci-lint
# The Go client is a module of its own.
CLIENT := $(GO) -C client
CLIENT_LINT := $(CLIENT) tool -modfile=../tools/go.mod golangci-lint
CLIENT_GENERATE := $(CLIENT) tool -modfile=../tools/go.mod oapi-codegen -config oapi-codegen.yaml
OPA := $(GO) tool opa
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
PACKAGES := ./...
COVERFLAGS := -coverpkg=./internal/...,./cmd/...,./migrations/...,./models/... -coverprofile=coverage.out
CLIENT_COVERFLAGS := -coverpkg=./... -coverprofile=../coverage-client.out

.DEFAULT_GOAL := help
.PHONY: help run build test race soak lint fmt cover covered client client-check client-ts policy-test bundle bench migrate docker demo-todo prepare clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: prepare build ## Start the server with demo data on an embedded PostgreSQL
	./bin/sentinel serve --demo

build: ## Build bin/sentinel
	@$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/sentinel ./cmd/sentinel

test: prepare ## Run all tests on a real PostgreSQL (COVER=1: and count what they cover)
	$(GO) test -timeout 15m $(if $(COVER),$(COVERFLAGS)) $(PACKAGES)
	$(CLIENT) test -timeout 10m $(if $(COVER),$(CLIENT_COVERFLAGS)) ./...

race: prepare ## Run all tests under the race detector
	$(GO) test -race -timeout 20m $(PACKAGES)
	$(CLIENT) test -race -timeout 10m ./...

soak: prepare ## Ask the evaluators about random tenants until SOAK_QUESTIONS (1000000) are asked and SOAK_FILTERS (100000) made
	SOAK_QUESTIONS=$${SOAK_QUESTIONS:-1000000} $(GO) test -count=1 -timeout 24h -v -run 'TestDecide_EngineAndRegoAgree' ./internal/engine/enginetest
	SOAK_FILTERS=$${SOAK_FILTERS:-100000} $(GO) test -count=1 -timeout 24h -v -run 'TestFilter_SelectsWhatDecideAllows' ./internal/engine/enginetest

lint: client-check ## Run golangci-lint, check the formatting of Go and Rego and what is generated
	$(LINT) run
	$(CLIENT_LINT) run
	$(OPA) fmt --fail policies > /dev/null
	$(OPA) check --strict policies

fmt: ## Format Go and Rego
	$(LINT) fmt
	$(CLIENT_LINT) fmt
	$(OPA) fmt --write policies

cover: ## Check that tests cover each package (80 %) and the engine (95 %)
	@$(MAKE) --no-print-directory test COVER=1
	@$(MAKE) --no-print-directory covered

covered: ## Check the coverage of the last `make test COVER=1`
	@$(GO) -C tools run ./cover .. ../coverage.out ../coverage-client.out

client: build ## Generate client/sentinel.gen.go from the OpenAPI document
	@document=$$(mktemp) && trap 'rm -f "$$document"' EXIT && \
	  ./bin/sentinel openapi --version 3.0 -o "$$document" && $(CLIENT_GENERATE) -o sentinel.gen.go "$$document"

client-check: build ## Check that client/sentinel.gen.go is what `make client` makes
	@work=$$(mktemp -d) && trap 'rm -rf "$$work"' EXIT && \
	  ./bin/sentinel openapi --version 3.0 -o "$$work/document.json" && $(CLIENT_GENERATE) -o "$$work/sentinel.gen.go" "$$work/document.json" && \
	  if ! cmp -s "$$work/sentinel.gen.go" client/sentinel.gen.go; then \
	    echo "client/sentinel.gen.go is not what the routes make: run \`make client\` and commit it" >&2; exit 1; fi

client-ts: prepare build ## Generate the TypeScript types, and run a program that uses them
	@./tools/client-ts.sh

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
	rm -rf bin bundles/*.tar.gz coverage.out coverage-client.out client/typescript/dist client/typescript/node_modules
