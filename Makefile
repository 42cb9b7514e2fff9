# What is checked, tested and built. .ci/run and the hosted checks call these targets.

STATICCHECK = go run honnef.co/go/tools/cmd/staticcheck@v0.8.2
BENCHSTAT   = go run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da

FUZZTIME ?= 30s
BENCH    ?= JSONOf|StoreHit|Repeated|Envelope
COUNT    ?= 6
BENCHTIME ?= 1s

.PHONY: help check test race lint cost coldstart explorer assets library clients stack hostile scale archive-engines fuzz bench release

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

check: ## gofmt, go vet, staticcheck, go.mod and go.sum
	@files=$$(gofmt -l $$(go list -f '{{.Dir}}' ./...)) && { [ -z "$$files" ] || { echo "not in gofmt's form:"; echo "$$files"; exit 1; }; }
	go vet ./...
	go vet -tags stack ./...
	$(STATICCHECK) ./...
	$(STATICCHECK) -tags stack ./...
	go mod verify
	go mod tidy -diff

test: ## all tests that need nothing but Go
	go test ./...

race: ## the same with the race detector, which leaves the longest tests of reports and archive to a run without it
	go test -race -count=1 -timeout 30m ./...
	go test -count=1 ./internal/reports ./internal/archive

lint: ## template.yaml by cfn-lint, checkov and parliament, and what it costs; Python
	test/lint/run

cost: ## what a deployment costs a month, idle and by the million, into docs/cost.md
	test/lint/run cost

coldstart: ## how long the query function takes from exec to its first request for work and to its first answer, beside an empty function
	go run ./test/stack/coldstart

explorer: ## the page at /: types by tsc, and every view and state in Chromium with axe-core; needs node, installs Chromium by apt
	test/explorer/run

assets: ## compress the explorer's files into internal/explorer/packed
	cd internal/explorer && go run ./pack

library: ## Chart.js of the version in internal/explorer/library/library.json, from the npm registry
	internal/explorer/library/renew

clients: ## the tools of other people: generated clients, polars, curl, the explorer's code; Python, Node
	test/clients/run

stack: ## the deployment as a whole: Linux, Docker, an emulated AWS
	test/stack/run

hostile: ## cmu serve against an Adobe without end, slow readers, kills, full disks: memory and times; Linux
	go run ./test/hostile

scale: ## a day of viewers over the instances of a deployment, simulated; a shared cache in front: nginx
	go run ./test/scale
	test/scale/front

archive-engines: ## an archive of 25 months, read by DuckDB, Athena (emulated), pandas, pyarrow, polars, dbt and Spark
	test/archive/run

fuzz: ## each fuzz target for FUZZTIME (30s)
	@set -e; \
	targets=$$(grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' cmd functions internal pkg | sed 's/func //'); \
	for t in $$targets; do \
		echo "$${t#*:}"; \
		go test -run '^$$' -fuzz "^$${t#*:}\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$${t%%:*}")"; \
	done

bench: ## what must stay fast, COUNT (6) times, into bench.txt; beside BASE, an older one
	go test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) -count $(COUNT) ./internal/... >bench.txt || { cat bench.txt; exit 1; }
	$(BENCHSTAT) $(BASE) bench.txt

release: ## cmu for all platforms, the functions as zip files, SHA256SUMS, into dist; VERSION, else what Go finds
	.ci/release $(VERSION)
